#include <CLI/CLI.hpp>
#include <memory>
#include <optional>

#include "../command.h"
#include "../fetch/byte_spec.h"
#include "../progress.h"
#include "answer.h"
#include "existing.h"

namespace strandline::tool {
namespace {

struct EvictOptions {
  std::string directory;
  std::optional<std::string> bytes;
  std::optional<std::string> to;
  std::optional<std::string> key;
  std::optional<std::string> range;
  bool hex = false;
  bool json = false;
};

constexpr const char* kEvictFooter =
    R"(With --bytes or --to whole entries go, the least recently used first, until so much is free: so it may be more.
What is pinned or being written stays. With KEY the bytes of that entry go, or those of --range; the entry
stays, with what is left of it, and rm removes it. Of blocks of the file system that are given up only in part the disk
gets nothing back.

Prints how much was freed. --json prints one object:
  {"freed":...,"used":...}                   with --bytes and --to: bytes on the disk; what the store takes still
  {"key":...,"evicted":...,"freed":...}      with KEY: bytes of content; bytes on the disk. "key_hex": no UTF-8

N counts bytes: 1048576, 1024K, 1M, and so on with G and T.

Exit codes: 0 done, 1 failed: no store or entry there, or less could be freed than was asked for, 2 wrong command line.

Examples:
  strandline evict ~/.cache/films --bytes 2G              free two gibibytes
  strandline evict ~/.cache/films --to 10G                leave ten
  strandline evict ~/.cache/films a.mp4                   all bytes of an entry
  strandline evict ~/.cache/films a.mp4 --range 1048576-  all but its first mebibyte)";

// Where there is no length a range may be open, but not the last so many bytes.
Result<ByteRange> range_of(const ByteSpec& spec, std::optional<std::uint64_t> length) {
  if (spec.whole()) {
    return store::Entry::kWhole;
  }
  if (length) {
    return spec.within(*length);
  }
  if (!spec.first) {
    return fail(Errc::invalid_range, "the length is not known: " + spec.text());
  }
  const ByteRange range{*spec.first, spec.last ? *spec.last + 1 : store::Entry::kWhole.end};
  return range.clamped_to(store::Entry::kWhole);
}

// Those used longest ago.
int evict_oldest(store::Store& store, const std::string& directory, std::uint64_t size, bool to, Answer& answer) {
  const auto before = store.stats();
  if (!before) {
    return answer.failed(before.error());
  }
  const std::uint64_t asked = !to ? size : before->bytes > size ? before->bytes - size : 0;
  auto freed = asked > 0 ? store.evict(asked) : Result<std::uint64_t>(0);
  const auto after = store.stats();
  if (!freed || !after) {
    return answer.failed(freed ? after.error() : freed.error());
  }
  answer.object({{"freed", *freed}, {"used", after->bytes}});
  answer.line("freed " + size_text(*freed) + ", " + size_text(after->bytes) + " in use");
  if (*freed < asked) {
    return answer.failed(Error::make(Errc::no_space, directory + ": only " + std::to_string(*freed) + " of " +
                                                         std::to_string(asked) +
                                                         " bytes could be freed; the rest is pinned or being written"));
  }
  return answer.done(kExitOk);
}

int evict_entry(store::Store& store, const store::Directory& directory, const std::string& key, const ByteSpec& spec,
                Answer& answer) {
  const auto failed = [&](const Error& error) { return answer.failed(about_key(error, key, directory.path())); };
  const auto lease = store.peek(key);
  if (!lease) {
    return failed(lease.error());
  }
  const auto range = range_of(spec, lease->resource().length());
  if (!range) {
    return failed(range.error());
  }
  const std::string& name = lease->entry().name();
  const std::uint64_t before = directory.allocated(name);
  const auto evicted = lease->entry().evict(*range);
  if (!evicted) {
    return failed(evicted.error());
  }
  const std::uint64_t after = directory.allocated(name);
  const std::uint64_t freed = before > after ? before - after : 0;  // the journal has grown, if only by a record
  Json object;
  put_key(object, key);
  object["evicted"] = *evicted;
  object["freed"] = freed;
  answer.object(object);
  answer.line("evicted " + size_text(*evicted) + ", freed " + size_text(freed) + " on the disk");
  return answer.done(kExitOk);
}

int run_evict(const EvictOptions& options) {
  Answer answer("evict", options.json);
  const auto wrong = [&](std::string_view text) {
    return answer.failed(Error::make(Errc::invalid_argument, text), kExitUsage);
  };
  if ((options.bytes ? 1 : 0) + (options.to ? 1 : 0) + (options.key ? 1 : 0) != 1) {
    return wrong("one of KEY, --bytes and --to is needed (see strandline evict --help)");
  }
  if (!options.key && (options.range || options.hex)) {
    return wrong("--range and --key-hex go with KEY");
  }
  auto size = Result<std::uint64_t>(0);
  if (options.bytes || options.to) {
    size = parse_size(options.bytes ? *options.bytes : *options.to);
  }
  const auto key = options.key ? parse_key(*options.key, options.hex) : Result<std::string>();
  const auto spec = options.range ? ByteSpec::parse(*options.range) : Result<ByteSpec>();
  if (!size || !key || !spec) {
    return answer.failed(!size ? size.error() : !key ? key.error() : spec.error(), kExitUsage);
  }
  const auto directory = look_into(options.directory);
  auto store = directory ? open_existing(options.directory) : fail(directory.error().clone());
  if (!store) {
    return answer.failed(store.error());
  }
  return options.key ? evict_entry(*store, *directory, *key, *spec, answer)
                     : evict_oldest(*store, directory->path(), *size, options.to.has_value(), answer);
}

}  // namespace

Subcommand add_evict(CLI::App& app) {
  const auto options = std::make_shared<EvictOptions>();
  CLI::App* const evict = app.add_subcommand("evict", "Give up bytes of a store");
  evict->add_option("DIR", options->directory, "the store")->required();
  evict->add_option("KEY", options->key, "the entry whose bytes are to go");
  evict->add_option("--range", options->range, "with KEY: first and last byte, or A- or -N")->type_name("A-B");
  evict->add_option("--bytes", options->bytes, "free so many bytes on the disk")->type_name("N[K|M|G]");
  evict->add_option("--to", options->to, "free until the store takes no more")->type_name("N[K|M|G]");
  evict->add_flag("--key-hex", options->hex, "KEY is given as hexadecimal digits");
  evict->add_flag("--json", options->json, "one JSON object");
  evict->footer(kEvictFooter);
  return {evict, [options] { return run_evict(*options); }};
}

}  // namespace strandline::tool
