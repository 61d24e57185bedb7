// The command's exit codes, how it reports errors, and its subcommands.
// Threads: report() may be called by any. Blocks: the subcommands, until they are done. Errors: exit codes.
// Cost: none worth naming. Lifetime: what add_get() and the others add to the app lives as long as it.
#pragma once

#include <strandline/base/error.h>

#include <chrono>
#include <functional>
#include <string>
#include <string_view>

namespace CLI {
class App;
}

namespace strandline::tool {

// Documented in --help, so stable. 128 + n: ended by signal n.
inline constexpr int kExitOk = 0;
inline constexpr int kExitFailed = 1;
inline constexpr int kExitUsage = 2;
inline constexpr int kExitExists = 3;
inline constexpr int kExitChecksum = 4;
inline constexpr int kExitSignal = 128;

// One line on stderr, whatever is in the text: "strandline: get: not_found: ...".
void report(std::string_view command, std::string_view text);
void report(std::string_view command, const Error& error);

// Each adds its options to the app and answers what runs it once the command line is parsed.
struct Subcommand {
  CLI::App* app = nullptr;
  std::function<int()> run;  // answers the exit code
};
[[nodiscard]] Subcommand add_get(CLI::App& app);
[[nodiscard]] Subcommand add_cat(CLI::App& app);
[[nodiscard]] Subcommand add_serve(CLI::App& app);
[[nodiscard]] Subcommand add_purge(CLI::App& app);
[[nodiscard]] Subcommand add_prefetch(CLI::App& app);
[[nodiscard]] Subcommand add_top(CLI::App& app);
[[nodiscard]] Subcommand add_ls(CLI::App& app);
[[nodiscard]] Subcommand add_inspect(CLI::App& app);
[[nodiscard]] Subcommand add_verify(CLI::App& app);
[[nodiscard]] Subcommand add_evict(CLI::App& app);
[[nodiscard]] Subcommand add_rm(CLI::App& app);

}  // namespace strandline::tool
