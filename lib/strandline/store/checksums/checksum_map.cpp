#include <strandline/store/checksums/checksum_map.h>

#include <algorithm>
#include <bit>
#include <iterator>

namespace strandline::store {

void ChecksumMap::set(std::uint64_t first, std::span<const std::uint32_t> checksums) {
  while (!checksums.empty()) {
    // They mostly come in order.
    const std::uint64_t number = first / kBlocks;
    const bool is_last = !chunks_.empty() && chunks_.rbegin()->first == number;
    Chunk& chunk = is_last ? chunks_.rbegin()->second : chunks_.try_emplace(chunks_.end(), number)->second;
    const std::size_t begin = first % kBlocks;
    const auto part = checksums.first(std::min<std::size_t>(checksums.size(), kBlocks - begin));
    const std::uint64_t bits = ~std::uint64_t{0} >> (kBlocks - part.size()) << begin;
    size_ += static_cast<std::size_t>(std::popcount(bits & ~chunk.has));
    chunk.has |= bits;
    std::copy(part.begin(), part.end(), chunk.checksums.begin() + static_cast<std::ptrdiff_t>(begin));
    checksums = checksums.subspan(part.size());
    first += part.size();
  }
}

void ChecksumMap::erase(std::uint64_t first, std::uint64_t last) noexcept {
  for (auto it = chunks_.lower_bound(first / kBlocks); it != chunks_.end() && it->first * kBlocks < last;) {
    Chunk& chunk = it->second;
    const std::uint64_t chunk_begin = it->first * kBlocks;
    const std::uint64_t begin = std::max(first, chunk_begin) - chunk_begin;
    const std::uint64_t end = std::min(last - chunk_begin, kBlocks);
    for (std::uint64_t i = begin; i < end; ++i) {
      const std::uint64_t bit = std::uint64_t{1} << i;
      size_ -= (chunk.has & bit) != 0 ? 1 : 0;
      chunk.has &= ~bit;
      chunk.checksums[i] = 0;
    }
    it = chunk.has == 0 ? chunks_.erase(it) : std::next(it);
  }
}

std::optional<std::uint32_t> ChecksumMap::find(std::uint64_t block) const noexcept {
  const auto it = chunks_.find(block / kBlocks);
  return it != chunks_.end() && (it->second.has >> (block % kBlocks) & 1) != 0
             ? std::optional(it->second.checksums[block % kBlocks])
             : std::nullopt;
}

std::optional<std::uint64_t> ChecksumMap::next(std::uint64_t block) const noexcept {
  for (auto it = chunks_.lower_bound(block / kBlocks); it != chunks_.end(); ++it) {
    const std::uint64_t begin = it->first * kBlocks;
    const std::uint64_t has = begin < block ? it->second.has >> (block % kBlocks) << (block % kBlocks) : it->second.has;
    if (has != 0) {
      return begin + static_cast<unsigned>(std::countr_zero(has));
    }
  }
  return std::nullopt;
}

std::uint64_t ChecksumMap::next_without(std::uint64_t first, std::uint64_t last) const noexcept {
  for (auto it = chunks_.lower_bound(first / kBlocks); first < last; ++it) {
    if (it == chunks_.end() || it->first != first / kBlocks) {
      return first;
    }
    first += static_cast<unsigned>(std::countr_one(it->second.has >> (first % kBlocks)));
    if (first % kBlocks != 0) {
      break;
    }
  }
  return std::min(first, last);
}

bool operator==(const ChecksumMap& a, const ChecksumMap& b) noexcept {
  return a.size_ == b.size_ && a.chunks_ == b.chunks_;
}

}  // namespace strandline::store
