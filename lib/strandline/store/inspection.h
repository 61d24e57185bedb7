// Inspection: what an entry's files say, found by reading alone: nothing is made, changed, cut off or locked, whoever
// has the entry open.
// Threads: pure functions. Blocks: on the disk. Errors: not_found, corrupt for a journal without a header that can be
// read, unsupported for one of a newer version; the files'. Cost: a read of the whole journal, and some ten system
// calls. Lifetime: values; what they say may have changed by the time they are looked at.
#pragma once

#include <strandline/store/io/file_system.h>
#include <strandline/store/journal/replay.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace strandline::store {

struct Inspection {
  JournalHeader header;
  RangeSet available;                   // what an opening would believe now
  std::optional<std::uint64_t> length;  // bytes, when known
  bool complete = false;                // its length is known, was committed, and all of it is there
  bool committed = false;               // it was complete once
  bool doomed = false;                  // an fsync has failed: nothing is believed
  bool same_boot = false;               // the system has not stopped since the journal was begun
  bool same_data = false;               // NAME.data is the file that the journal names; else nothing is believed
  std::uint64_t lost_bytes = 0;         // that the journal calls there, and the data file has a hole for
  std::uint64_t checked_bytes = 0;      // of `available`, in blocks that have a checksum
  bool encrypted = false;
  std::vector<std::byte> note;  // the application's, as the journal has it: encrypted in an encrypted version

  std::uint64_t records = 0;
  std::uint64_t journal_bytes = 0;  // header and records
  std::uint64_t torn_bytes = 0;     // behind them; the next opening cuts them off
  std::uint64_t data_allocated = 0;
  std::uint64_t journal_allocated = 0;  // bytes on the disk

  // By others than who asks; what they hold ends with their processes.
  bool being_written = false;   // somebody has the writer's role
  bool being_changed = false;   // somebody has the write lock: a writer, an eviction, or an opening
  std::vector<ByteRange> pins;  // bytes that are not to be evicted, or are being evicted: in order
};

// `path`: of the entry's files, without their endings, as Directory::entry_path() has it.
[[nodiscard]] Result<Inspection> inspect(FileSystem& files, const std::string& path) noexcept;

// Of what a journal says is there, takes out what its data file has a hole for; answers that, in order. Throws
// std::bad_alloc.
[[nodiscard]] Result<std::vector<ByteRange>> take_out_holes(const File& data, BlockMap& said);

}  // namespace strandline::store
