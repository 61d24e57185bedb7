// The processes of the store's fuzzer, which share a disk and the memory beside it.
// Threads: one. Blocks: never. Errors: require(). Cost: none worth naming. Lifetime: the memory stays.
#pragma once

#include <fuzz/store_content.h>
#include <strandline/store/entry/entry.h>
#include <tests/store/mortal_files.h>

#include <unistd.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace strandline::fuzz {

// The memory that all processes share; it outlives the inputs.
inline const std::shared_ptr<store::LiveFile>& live() {
  static const auto file = [] {
    const std::string path = "/tmp/strandline-fuzz-store-" + std::to_string(::getpid());
    auto opened = store::LiveFile::open(path);
    ::unlink(path.c_str());
    require(opened.has_value(), "no live file");
    return std::move(*opened);
  }();
  return file;
}

struct Wait {
  ByteRange range{0, 0};
  std::shared_ptr<std::string> outcome;  // empty while it goes on
};

struct Process {
  std::shared_ptr<testing::MortalFiles> files;
  std::shared_ptr<store::Entry> entry;
  std::shared_ptr<Written> content;
  std::optional<Writer<store::EntryDriver>> writer;
  std::vector<ByteRange> pins;
  std::vector<Wait> waits;
};

}  // namespace strandline::fuzz
