#include <strandline/drivers/file/failure.h>
#include <strandline/store/entry/entry.h>
#include <strandline/store/inspection.h>

#include <algorithm>
#include <new>
#include <utility>

namespace strandline::store {
namespace {

// A journal that is read while it is appended to, or replaced, may look torn, or speak of another data file.
constexpr int kLooks = 4;

// One question answers one hold; what lies beside it is asked for anew.
Result<void> find_holds(const File& data, ByteRange range, std::vector<ByteRange>& found) {
  std::vector<ByteRange> to_ask{range};
  while (!to_ask.empty()) {
    const ByteRange asked = to_ask.back();
    to_ask.pop_back();
    const auto hold = data.held_elsewhere(asked);
    if (!hold) {
      return fail(hold.error().clone());
    }
    if (!*hold) {
      continue;
    }
    const ByteRange met = (*hold)->clamped_to(asked);
    if (met.empty()) {
      continue;  // it has gone, and another come
    }
    found.push_back(met);
    for (const ByteRange beside : {ByteRange{asked.begin, met.begin}, ByteRange{met.end, asked.end}}) {
      if (!beside.empty()) {
        to_ask.push_back(beside);
      }
    }
  }
  std::sort(found.begin(), found.end());
  return {};
}

std::uint64_t checked_bytes(const Replay& found) {
  std::uint64_t bytes = 0;
  found.checksums.visit([&](std::uint64_t block, std::uint32_t /*checksum*/) {
    for (const ByteRange part : found.available.runs({block * kChecksumBlock, (block + 1) * kChecksumBlock})) {
      bytes += part.size();
    }
  });
  return bytes;
}

// Of what the journal says is there, leaves what may be believed.
Result<void> look_at_data(const File& data, Replay& found, Inspection& inspection) {
  const auto identity = data.identity();
  if (!identity) {
    return fail(identity.error().clone());
  }
  inspection.same_data = *identity == found.header.data;
  inspection.data_allocated = data.allocated().value_or(0);
  const auto role = data.held_elsewhere(File::kWriterRole);
  const auto lock = data.held_elsewhere(File::kWriteLock);
  if (!role || !lock) {
    return fail((role ? lock : role).error().clone());
  }
  inspection.being_written = role->has_value();
  inspection.being_changed = lock->has_value();
  if (auto asked = find_holds(data, Entry::kWhole, inspection.pins); !asked) {
    return asked;
  }
  if (!inspection.same_data) {
    found.available = BlockMap();
    return {};
  }
  const auto lost = take_out_holes(data, found.available);
  if (!lost) {
    return fail(lost.error().clone());
  }
  for (const ByteRange range : *lost) {
    inspection.lost_bytes += range.size();
  }
  return {};
}

Result<Inspection> look(FileSystem& files, const std::string& path, const BootId& boot) {
  const auto journal = files.open(path + ".journal", OpenFile::to_read);
  if (!journal) {
    return fail(journal.error().clone());
  }
  const auto bytes = read_all(**journal);
  if (!bytes) {
    return fail(bytes.error().clone());
  }
  const auto header = decode_header(*bytes);
  const bool same_boot = header && header->header.boot == boot;
  auto found = replay(*bytes, same_boot ? Trust::everything : Trust::barriers);
  if (!found) {
    Error error = std::move(found.error());
    error.context = path + ".journal";
    return fail(std::move(error));
  }
  Inspection inspection;
  inspection.length = found->length;
  inspection.committed = found->committed;
  inspection.doomed = found->doomed;
  inspection.same_boot = same_boot;
  inspection.records = found->records;
  inspection.journal_bytes = found->valid_bytes;
  inspection.torn_bytes = found->torn_bytes;
  inspection.journal_allocated = (*journal)->allocated().value_or(0);
  const auto data = files.open(path + ".data", OpenFile::to_read);
  if (!data && data.error().code != Errc::not_found) {
    return fail(data.error().clone());
  }
  if (!data) {
    found->available = BlockMap();
  } else if (auto looked = look_at_data(**data, *found, inspection); !looked) {
    return fail(std::move(looked.error()));
  }
  auto available = found->available.ranges();
  if (!available) {
    return fail(std::move(available.error()));
  }
  inspection.available = std::move(*available);
  inspection.complete = found->committed && found->available.covers({0, found->length.value_or(0)});
  inspection.checked_bytes = checked_bytes(*found);
  inspection.encrypted = found->cipher.has_value();
  inspection.note = std::move(found->note);
  inspection.header = std::move(found->header);
  return inspection;
}

}  // namespace

Result<Inspection> inspect(FileSystem& files, const std::string& path) noexcept {
  return file::contained([&]() -> Result<Inspection> {
    const auto boot = files.boot_id();
    if (!boot) {
      return fail(boot.error().clone());
    }
    auto inspection = look(files, path, *boot);
    for (int looks = 1; looks < kLooks && inspection && (inspection->torn_bytes > 0 || !inspection->same_data);
         ++looks) {
      inspection = look(files, path, *boot);
    }
    return inspection;
  });
}

Result<std::vector<ByteRange>> take_out_holes(const File& data, BlockMap& said) {
  std::vector<ByteRange> lost;
  const std::uint64_t end = said.end_offset();
  for (std::uint64_t at = said.next_covered(0, end); at < end;) {
    const auto found = data.next_data(at);
    if (!found) {
      return fail(found.error().clone());
    }
    const ByteRange run = *found ? (*found)->clamped_to({at, end}) : ByteRange{end, end};
    for (const ByteRange range : said.runs({at, run.begin})) {
      lost.push_back(range);
    }
    at = said.next_covered(run.end, end);
  }
  for (const ByteRange range : lost) {
    if (!said.erase(range)) {
      throw std::bad_alloc();
    }
  }
  said.lower_end(said.covered_end());
  return lost;
}

}  // namespace strandline::store
