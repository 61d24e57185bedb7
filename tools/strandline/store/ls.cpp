#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cstdio>
#include <memory>
#include <vector>

#include "../command.h"
#include "../progress.h"
#include "answer.h"
#include "existing.h"

namespace strandline::tool {
namespace {

constexpr std::size_t kEntriesAtOnce = 4096;

struct LsOptions {
  std::string directory;
  std::string prefix;
  std::string sort = "key";
  bool hex = false;
  bool json = false;
};

constexpr const char* kLsFooter =
    R"(One line per entry: how much of it is there, its length, what it takes on the disk, its key.
How much is there is read from each entry's own journal, as it would be believed now. On a terminal with a
heading, and totals at the end.

A key is printed as it is when it is UTF-8; a backslash is doubled, and control characters and bytes that are no
UTF-8 are written \xHH, so that every key is one line and no two look the same.

--json prints one object per line:
  {"key":...,"complete":...,"available":...,"length":...,"disk":...,"used":...,"writing":...,"name":...}
  key        the text, or, when it is no UTF-8, "key_hex" instead: two hexadecimal digits a byte
  available  bytes that are there           length  null while not known           disk  bytes on the disk
  used       grows with every use of any entry: an order, not a time               name  of its files
  error      instead of complete, available and writing: what is wrong with an entry that cannot be read

Exit codes: 0 done (an empty store too), 1 failed: no store there, or not readable, 2 wrong command line.

Examples:
  strandline ls ~/.cache/films                    all entries, by key
  strandline ls ~/.cache/films http://a.example/  those whose key begins so
  strandline ls ~/.cache/films --sort oldest      what --to would evict first
  strandline ls ~/.cache/films --json | jq -r 'select(.complete | not) | .key'   what is not complete)";

struct Totals {
  std::uint64_t entries = 0;
  std::uint64_t complete = 0;
  std::uint64_t disk = 0;
};

std::string columns(const std::string& there, const std::string& length, const std::string& disk) {
  std::array<char, 96> text{};
  std::snprintf(text.data(), text.size(), "%-10s %10s %10s  ", there.c_str(), length.c_str(), disk.c_str());
  return text.data();
}

// The files say more, and later, than the list: it is kept in an index that entries in use are not written to.
void show(const store::Directory& directory, const store::EntryInfo& info, Answer& answer, Totals& totals) {
  const auto found = store::inspect(*directory.files(), directory.entry_path(info.name));
  if (!found && found.error().code == Errc::not_found) {
    return;  // removed meanwhile, or never made
  }
  Json object;
  put_key(object, info.key);
  if (!found) {
    totals.entries += 1;
    object["length"] = nullptr;
    object["disk"] = info.allocated;
    object["used"] = info.used;
    object["name"] = info.name;
    object["error"] = found.error().message();
    answer.object(object);
    answer.line(columns("unreadable", "?", size_text(info.allocated)) + key_text(info.key));
    return;
  }
  const std::uint64_t available = found->available.byte_count();
  const std::uint64_t disk = found->data_allocated + found->journal_allocated;
  totals.entries += 1;
  totals.complete += found->complete ? 1 : 0;
  totals.disk += disk;
  object["complete"] = found->complete;
  object["available"] = available;
  object["length"] = found->length ? Json(*found->length) : Json();
  object["disk"] = disk;
  object["used"] = info.used;
  object["writing"] = found->being_written;
  object["name"] = info.name;
  answer.object(object);
  answer.line(columns(share_text(available, found->length, found->complete),
                      found->length ? size_text(*found->length) : "?", size_text(disk)) +
              key_text(info.key));
}

// Page by page and, unless they are to be sorted, without keeping them.
Result<void> for_all(store::Store& store, const LsOptions& options, const std::string& prefix,
                     const std::function<bool(const store::EntryInfo&)>& visit) {
  std::vector<store::EntryInfo> kept;
  std::optional<store::EntryInfo> last;
  for (;;) {
    auto page = store.list(prefix, last ? &*last : nullptr, kEntriesAtOnce);
    if (!page) {
      return fail(std::move(page.error()));
    }
    if (page->empty()) {
      break;
    }
    last = page->back();
    for (store::EntryInfo& info : *page) {
      if (options.sort != "key") {
        kept.push_back(std::move(info));
      } else if (!visit(info)) {
        return {};
      }
    }
  }
  std::stable_sort(kept.begin(), kept.end(), [&](const store::EntryInfo& a, const store::EntryInfo& b) {
    return options.sort == "oldest" ? a.used < b.used : b.used < a.used;
  });
  static_cast<void>(std::all_of(kept.begin(), kept.end(), visit));
  return {};
}

int run_ls(const LsOptions& options) {
  Answer answer("ls", options.json);
  const auto prefix = parse_prefix(options.prefix, options.hex);
  if (!prefix) {
    return answer.failed(prefix.error(), kExitUsage);
  }
  auto directory = look_into(options.directory);
  auto store = directory ? open_existing(options.directory) : fail(directory.error().clone());
  if (!store) {
    return answer.failed(store.error());
  }
  if (answer.terminal()) {
    answer.line(columns("THERE", "LENGTH", "ON DISK") + "KEY");
  }
  Totals totals;
  const auto listed = for_all(*store, options, *prefix, [&](const store::EntryInfo& info) {
    show(*directory, info, answer, totals);
    return !answer.refused();
  });
  if (!listed) {
    return answer.failed(listed.error());
  }
  if (answer.terminal()) {
    answer.line(std::to_string(totals.entries) + (totals.entries == 1 ? " entry, " : " entries, ") +
                std::to_string(totals.complete) + " complete, " + size_text(totals.disk) + " on the disk");
  }
  return answer.done(kExitOk);
}

}  // namespace

Subcommand add_ls(CLI::App& app) {
  const auto options = std::make_shared<LsOptions>();
  CLI::App* const ls = app.add_subcommand("ls", "List the entries of a store");
  ls->add_option("DIR", options->directory, "the store")->required();
  ls->add_option("PREFIX", options->prefix, "only keys that begin so");
  ls->add_option("--sort", options->sort, "key; oldest: the least recently used first; newest: the most")
      ->check(CLI::IsMember({"key", "oldest", "newest"}))
      ->type_name("ORDER")
      ->capture_default_str();
  ls->add_flag("--key-hex", options->hex, "PREFIX is given as hexadecimal digits");
  ls->add_flag("--json", options->json, "one JSON object per entry");
  ls->footer(kLsFooter);
  return {ls, [options] { return run_ls(*options); }};
}

}  // namespace strandline::tool
