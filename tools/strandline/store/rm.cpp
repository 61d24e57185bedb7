#include <CLI/CLI.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "../command.h"
#include "../progress.h"
#include "answer.h"
#include "existing.h"

namespace strandline::tool {
namespace {

constexpr std::size_t kKeysAtOnce = 256;

struct RmOptions {
  std::string directory;
  std::vector<std::string> keys;
  std::optional<std::string> prefix;
  bool all = false;
  bool dry_run = false;
  bool must_exist = false;
  bool hex = false;
  bool json = false;
};

constexpr const char* kRmFooter =
    R"(Removes entries, with all their bytes. Whoever is reading one goes on undisturbed; one that is being written
stays, and is an error: the others go all the same. A key without an entry is no error, but for --must-exist.
Nothing is asked. --dry-run prints the keys that would go, and removes nothing.

On a terminal it prints how much was freed. --json prints one object per entry, also with --dry-run:
  {"key":...,"removed":...,"freed":...}      bytes on the disk. "key_hex" for a key that is no UTF-8
  {"event":"error",...}                      what could not be removed

Exit codes: 0 done, 1 failed: no store there, or an entry could not be removed, or is missing with --must-exist,
2 wrong command line.

Examples:
  strandline rm ~/.cache/films http://a.example/film.mp4
  strandline rm ~/.cache/films --prefix http://a.example/ --dry-run
  strandline rm ~/.cache/films --key-hex 00ff
  strandline rm ~/.cache/films -- -key-that-begins-with-a-dash
  strandline rm ~/.cache/films --all                        every entry; the store stays)";

class Removal {
 public:
  Removal(store::Store& store, const store::Directory& directory, const RmOptions& options, Answer& answer)
      : store_(store), directory_(directory), options_(options), answer_(answer) {}

  void remove(const std::string& key) {
    const auto found = directory_.find(key);
    if (!found) {
      return failed(found.error(), key);
    }
    if (!found->exists && !is_unreadable(found->name)) {
      if (options_.must_exist) {
        failed(Error::make(Errc::not_found, "no such entry"), key);
      }
      return;
    }
    const std::uint64_t bytes = directory_.allocated(found->name);
    if (!options_.dry_run) {
      if (const auto removed = store_.remove(key); !removed) {
        return failed(removed.error(), key);
      }
    } else {
      answer_.line(key_text(key));
    }
    count_ += 1;
    bytes_ += bytes;
    Json object;
    put_key(object, key);
    object["removed"] = !options_.dry_run;
    object["freed"] = bytes;
    answer_.object(object);
  }

  // What comes to the list meanwhile may stay.
  [[nodiscard]] Result<void> remove_all(const std::string& prefix) {
    std::optional<store::EntryInfo> last;
    for (;;) {
      auto page = store_.list(prefix, last ? &*last : nullptr, kKeysAtOnce);
      if (!page || page->empty()) {
        return page ? Result<void>() : fail(std::move(page.error()));
      }
      for (const store::EntryInfo& info : *page) {
        remove(info.key);
      }
      last = std::move(page->back());
    }
  }

  [[nodiscard]] int done() {
    if (answer_.terminal()) {
      answer_.line((options_.dry_run ? "would remove " : "removed ") + std::to_string(count_) +
                   (count_ == 1 ? " entry, " : " entries, ") + size_text(bytes_));
    }
    return answer_.done(exit_);
  }

 private:
  // Files that say nothing stand where the key's would: the store takes them for nothing, and removes them.
  [[nodiscard]] bool is_unreadable(const std::string& name) const {
    const auto header = directory_.header_of(name);
    return !header && header.error().code == Errc::corrupt;
  }
  void failed(const Error& error, const std::string& key) {
    exit_ = answer_.failed(about_key(error, key, directory_.path()));
  }

  store::Store& store_;
  const store::Directory& directory_;
  const RmOptions& options_;
  Answer& answer_;
  std::uint64_t count_ = 0;
  std::uint64_t bytes_ = 0;
  int exit_ = kExitOk;
};

int run_rm(const RmOptions& options) {
  Answer answer("rm", options.json);
  const auto wrong = [&](std::string_view text) {
    return answer.failed(Error::make(Errc::invalid_argument, text), kExitUsage);
  };
  if ((options.keys.empty() ? 0 : 1) + (options.prefix ? 1 : 0) + (options.all ? 1 : 0) != 1) {
    return wrong("KEYs, --prefix or --all are needed, one of them (see strandline rm --help)");
  }
  if (options.prefix && options.prefix->empty()) {
    return wrong("an empty prefix would be every entry: say --all for that");
  }
  std::vector<std::string> keys;
  for (const std::string& typed : options.keys) {
    auto key = parse_key(typed, options.hex);
    if (!key) {
      return answer.failed(key.error(), kExitUsage);
    }
    keys.push_back(std::move(*key));
  }
  const auto prefix = parse_prefix(options.prefix.value_or(""), options.hex);
  if (!prefix) {
    return answer.failed(prefix.error(), kExitUsage);
  }
  const auto directory = look_into(options.directory);
  auto store = directory ? open_existing(options.directory) : fail(directory.error().clone());
  if (!store) {
    return answer.failed(store.error());
  }
  Removal removal(*store, *directory, options, answer);
  for (const std::string& key : keys) {
    removal.remove(key);
  }
  if (keys.empty()) {
    if (const auto listed = removal.remove_all(*prefix); !listed) {
      return answer.failed(listed.error());
    }
  }
  return removal.done();
}

}  // namespace

Subcommand add_rm(CLI::App& app) {
  const auto options = std::make_shared<RmOptions>();
  CLI::App* const rm = app.add_subcommand("rm", "Remove entries of a store");
  rm->add_option("DIR", options->directory, "the store")->required();
  rm->add_option("KEY", options->keys, "keys of entries");
  rm->add_option("--prefix", options->prefix, "all whose key begins so")->type_name("P");
  rm->add_flag("--all", options->all, "every entry");
  rm->add_flag("--dry-run", options->dry_run, "only print what would go");
  rm->add_flag("--must-exist", options->must_exist, "a key without an entry is an error");
  rm->add_flag("--key-hex", options->hex, "KEY and P are given as hexadecimal digits");
  rm->add_flag("--json", options->json, "one JSON object per entry");
  rm->footer(kRmFooter);
  return {rm, [options] { return run_rm(*options); }};
}

}  // namespace strandline::tool
