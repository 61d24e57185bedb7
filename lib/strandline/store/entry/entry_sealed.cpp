// EntryDriver: what is encrypted: who may open it, and how it is written and followed.
#include <strandline/drivers/file/failure.h>
#include <strandline/store/entry/entry_driver.h>
#include <strandline/store/live/room.h>
#include <strandline/store/sealing/sealed_data.h>

#include <algorithm>
#include <new>
#include <utility>
#include <vector>

namespace strandline::store {
namespace {

// A write over other pieces changes one block of them at most, and the journal: see write_data().
constexpr std::uint64_t kForRewriting = 2 * kPieceBlock;

void add(RangeSet& set, ByteRange range) {
  set.reserve(1);
  set.add_reserved(range);
}

}  // namespace

Result<void> EntryDriver::unseal(const Replay& found) {
  if (found.header.key != options_.key) {
    return fail(Errc::conflict, journal_path() + " is another key's");
  }
  if (!found.cipher) {
    return {};
  }
  if (options_.secret == nullptr) {
    return fail(Errc::permission_denied, journal_path() + " is encrypted, and no key was given");
  }
  auto sealer = Sealer::open(*options_.secret, options_.key, found.header.generation, *found.cipher);
  if (!sealer) {
    sealer.error().context = journal_path() + ": " + sealer.error().context;
    return fail(std::move(sealer.error()));
  }
  sealed_ = std::make_unique<SealedData>(std::move(*sealer));
  return {};
}

Result<std::size_t> EntryDriver::read_stored(std::uint64_t offset, std::span<std::byte> out) const noexcept {
  return sealed_ != nullptr ? sealed_->read(*data_, offset, out) : data_->read_at(offset, out);
}

bool EntryDriver::is_still_bad(ByteRange range) const noexcept {
  return sealed_ == nullptr || sealed_->is_bad(*data_, range);
}

Result<std::size_t> EntryDriver::write_sealed(std::uint64_t offset, std::span<const std::byte> data) noexcept {
  const ByteRange range = first_piece({offset, offset + data.size()});
  data = data.first(range.size());
  if (sealed_->table().overlaps(range)) {
    // Before the lock, which evicting takes, too.
    if (options_.room != nullptr) {
      if (auto reserved = options_.room->reserve(kForRewriting); !reserved) {
        return fail(std::move(reserved.error()));
      }
    }
    auto written = write_over(range, data);
    settle(kForRewriting);
    return written ? Result<std::size_t>(range.size()) : fail(std::move(written.error()));
  }
  const auto sealed = sealed_->seal(range, data);
  if (!sealed) {
    return fail(sealed.error().clone());
  }
  // A part of a piece is worth nothing.
  for (std::size_t done = 0; done < range.size();) {
    std::uint64_t reserved = 0;
    const auto count = write_data(range.begin + done, sealed->span().subspan(done), reserved);
    settle(reserved);
    if (!count) {
      return fail(count.error().clone());
    }
    done += *count;
  }
  auto noted = sealed_->table().wrote(sealed->piece);
  if (noted) {
    noted = journal_->append_sealed(std::span(&sealed->piece, 1), std::span(&range, 1));
  }
  return noted ? Result<std::size_t>(range.size()) : fail(std::move(noted.error()));
}

// No crash, and no reader, may find bytes that the journal says are there, and other ones in their place: so they are
// given up first, durably, and are there again with the bytes that are written.
Result<void> EntryDriver::write_over(ByteRange range, std::span<const std::byte> data) noexcept {
  return file::contained([&]() -> Result<void> {
    MutexLock lock(sealing_mutex_);
    PieceTable& table = sealed_->table();
    auto old = table.overlapped(range);
    if (!old) {
      return fail(std::move(old.error()));
    }
    const std::uint64_t block = range.begin / kPieceBlock * kPieceBlock;
    const PlainBytes plain(kPieceBlock);
    if (plain.empty()) {
      return fail(Errc::no_memory, "piece");
    }
    const auto plain_of = [&](ByteRange of) { return plain.span().subspan(of.begin - block, of.size()); };
    RangeSet after;
    for (const Piece& piece : old->pieces) {
      auto staying = old->there.covered(piece.range);
      if (!staying) {
        return fail(std::move(staying.error()));
      }
      if (staying->empty()) {
        continue;
      }
      if (auto opened = sealed_->open(*data_, piece, plain_of(piece.range)); !opened) {
        if (opened.error().code != Errc::corrupt) {
          return opened;
        }
        continue;  // it is lost, and the next read of it says so
      }
      for (const ByteRange run : *staying) {
        add(after, run);
      }
    }
    std::copy(data.begin(), data.end(), plain_of(range).begin());
    add(after, range);
    std::vector<SealedData::Sealed> sealed;
    std::vector<Piece> pieces;
    std::vector<ByteRange> runs;
    for (const ByteRange run : after) {
      auto next = sealed_->seal(run, plain_of(run));
      if (!next) {
        return fail(std::move(next.error()));
      }
      pieces.push_back(next->piece);
      runs.push_back(run);
      sealed.push_back(std::move(*next));
    }
    for (const ByteRange run : old->there) {
      if (auto told = journal_->append(RecordType::evict, {run.begin, run.end}); !told) {
        return told;
      }
    }
    if (!old->there.empty()) {
      if (auto synced = sync_journal(); !synced) {
        return synced;
      }
      options_.signals.destroying();
    }
    if (auto begun = table.begin_replacing(pieces); !begun) {
      return begun;
    }
    Result<void> written;
    for (std::size_t i = 0; i < sealed.size() && written; ++i) {
      written = write_all(*data_, runs[i].begin, sealed[i].span());
    }
    if (written) {
      written = journal_->append_sealed(pieces, runs);
      table.end_replacing(pieces, true);
    } else {
      table.end_replacing(pieces, false);
    }
    return written;
  });
}

Result<void> EntryDriver::follow_pieces(std::span<const std::byte> payload) noexcept {
  // Who has just become the writer has read them all.
  if (sealed_ == nullptr || role() == Role::writer) {
    return {};
  }
  return file::contained([&]() -> Result<void> {
    const auto pieces = decode_pieces(payload);
    return pieces ? sealed_->table().note(*pieces) : fail(Errc::corrupt, "pieces");
  });
}

Result<void> EntryDriver::follow_pieces(const Replay& found) noexcept {
  if (sealed_ == nullptr) {
    return {};
  }
  return file::contained([&] { return sealed_->table().reset(found.pieces, found.available); });
}

}  // namespace strandline::store
