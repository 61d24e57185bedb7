#include <strandline/store/sealing/sealed_data.h>

#include <algorithm>
#include <new>
#include <utility>

namespace strandline::store {

Result<void> SealedData::open(const File& data, const Piece& piece, std::span<std::byte> plain) const noexcept {
  for (std::size_t have = 0; have < plain.size();) {
    const auto count = data.read_at(piece.range.begin + have, plain.subspan(have));
    if (!count) {
      return fail(count.error().clone());
    }
    if (*count == 0) {
      return fail(Errc::corrupt, "the file has been cut short");
    }
    have += *count;
  }
  return sealer_->open(piece, plain, plain);
}

Result<std::size_t> SealedData::read(const File& data, std::uint64_t offset, std::span<std::byte> out) const noexcept {
  for (;;) {
    const auto found = table_.find({offset, offset + out.size()});
    Result<std::size_t> count = fail(Errc::corrupt, "bytes of which it is not known how they were sealed");
    if (found.piece) {
      const ByteRange range = found.piece->range;
      const std::size_t part = std::min<std::size_t>(range.end - offset, out.size());
      if (part == range.size()) {
        auto opened = open(data, *found.piece, out.first(part));
        count = opened ? Result<std::size_t>(part) : fail(std::move(opened.error()));
      } else {
        const PlainBytes plain(range.size());
        if (plain.empty()) {
          return fail(Errc::no_memory, "piece");
        }
        auto opened = open(data, *found.piece, plain.span());
        if (opened) {
          const auto wanted = plain.span().subspan(offset - range.begin, part);
          std::copy(wanted.begin(), wanted.end(), out.begin());
        }
        count = opened ? Result<std::size_t>(part) : fail(std::move(opened.error()));
      }
    }
    if (count || count.error().code != Errc::corrupt || !table_.settle(found.changes)) {
      return count;
    }
  }
}

ByteRange SealedData::unit_of(ByteRange range) const noexcept {
  const auto found = table_.find(range);
  return found.piece ? found.piece->range : found.gap;
}

bool SealedData::is_bad(const File& data, ByteRange range) const noexcept {
  const PlainBytes plain(kPieceBlock);
  while (!plain.empty() && !range.empty()) {
    const auto found = table_.find(range);
    const auto opened = found.piece ? open(data, *found.piece, plain.span().first(found.piece->range.size()))
                                    : Result<void>(fail(Errc::corrupt));
    if (!opened) {
      return opened.error().code == Errc::corrupt && !table_.settle(found.changes);
    }
    range.begin = found.piece->range.end;
  }
  return false;
}

Result<SealedData::Sealed> SealedData::seal(ByteRange range, std::span<const std::byte> plain) const noexcept {
  Sealed sealed;
  sealed.bytes.reset(new (std::nothrow) std::byte[range.size()]);
  if (sealed.bytes == nullptr) {
    return fail(Errc::no_memory, "piece");
  }
  auto piece = sealer_->seal(range, plain, {sealed.bytes.get(), range.size()});
  if (!piece) {
    return fail(std::move(piece.error()));
  }
  sealed.piece = *piece;
  return sealed;
}

}  // namespace strandline::store
