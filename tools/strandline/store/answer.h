// Answer: what a store's command prints: text for people or JSON lines for programs, on standard output; errors, one
// line each, on standard error.
// Threads: one. Blocks: while standard output takes it. Errors: those of standard output show in the exit code. Cost:
// buffered. Lifetime: one per run of a command.
#pragma once

#include <strandline/base/error.h>

#include <string>
#include <string_view>

#include "../command.h"
#include "text.h"

namespace strandline::tool {

class Answer {
 public:
  Answer(std::string_view command, bool json);
  Answer(const Answer&) = delete;
  Answer& operator=(const Answer&) = delete;

  [[nodiscard]] bool json() const noexcept { return json_; }
  // Is standard output a terminal, and text wanted? Else headings and totals would be in somebody's way.
  [[nodiscard]] bool terminal() const noexcept { return terminal_; }
  // Is standard error? Progress is shown there.
  [[nodiscard]] bool shows_progress() const noexcept { return progress_; }

  // A line of text; nothing with --json.
  void line(std::string_view text);
  // A line of JSON; nothing without --json.
  void object(const Json& object);

  // Reports the error, and answers the exit code.
  [[nodiscard]] int failed(const Error& error);
  [[nodiscard]] int failed(const Error& error, int exit_code);
  // This code, unless standard output has not taken all; 141, as after SIGPIPE, when its reader went away.
  [[nodiscard]] int done(int exit_code);
  // Has standard output stopped taking anything? Then there is no use in going on.
  [[nodiscard]] bool refused() const noexcept { return refused_ != 0; }

 private:
  void print(const std::string& text);

  const std::string command_;
  const bool json_;
  const bool terminal_;
  const bool progress_;
  int refused_ = 0;  // why, as errno has it
};

}  // namespace strandline::tool
