#include <strandline/base/block_map/fragments.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <utility>

namespace strandline {
namespace {

constexpr std::size_t kMoved = 4096;  // runs that a change may move: some 300 ns, as a tree of so many takes
constexpr std::size_t kFirst = 7;     // runs: 64 bytes of the heap
constexpr std::size_t kReserved = 3;  // runs more: each change leaves one more at the most

}  // namespace

std::vector<Fragments::Run>::const_iterator Fragments::ending_from(std::uint32_t at) const noexcept {
  if (few_.empty() || few_.back().end < at) {
    return few_.end();  // most comes in order
  }
  return std::partition_point(few_.begin(), few_.end(), [at](Run run) { return run.end < at; });
}

Fragments Fragments::clone() const {
  Fragments copy;
  copy.few_ = few_;
  if (many_) {
    auto runs = many_->clone();
    if (!runs) {
      throw std::bad_alloc();
    }
    copy.many_ = std::make_unique<RangeSet>(std::move(*runs));
  }
  return copy;
}

std::uint32_t Fragments::run_end(std::uint32_t at) const noexcept {
  if (many_) {
    return at + static_cast<std::uint32_t>(many_->covered_prefix({at, kMaxOffset}));
  }
  const auto run = ending_from(at + 1);
  return run != few_.end() && run->begin <= at ? run->end : at;
}

std::uint32_t Fragments::next(std::uint32_t at, std::uint32_t limit) const noexcept {
  if (many_) {
    const auto run = many_->first_covered({at, limit});
    return run ? static_cast<std::uint32_t>(run->begin) : limit;
  }
  const auto run = ending_from(at + 1);
  return run != few_.end() ? std::min(std::max(run->begin, at), limit) : limit;
}

std::uint32_t Fragments::end() const noexcept {
  return many_ ? static_cast<std::uint32_t>(many_->end_offset()) : few_.empty() ? 0 : few_.back().end;
}

void Fragments::reserve(std::uint32_t from) {
  if (!many_ && few_.size() > kMoved && few_.end() - ending_from(from) > static_cast<std::ptrdiff_t>(kMoved)) {
    auto all = std::make_unique<RangeSet>();
    for (const Run run : few_) {
      all->reserve(1);
      all->add_reserved({run.begin, run.end});
    }
    all->reserve(kReserved);
    many_ = std::move(all);
    few_ = {};
  } else if (many_) {
    many_->reserve(kReserved);
  } else if (few_.capacity() - few_.size() < kReserved) {
    few_.reserve(std::max({few_.size() + kReserved, 2 * few_.capacity(), kFirst}));
  }
}

void Fragments::add(Run run) noexcept {
  if (many_) {
    many_->add_reserved({run.begin, run.end});
    return;
  }
  const auto first = few_.begin() + (ending_from(run.begin) - few_.cbegin());
  auto last = first;
  while (last != few_.end() && last->begin <= run.end) {
    ++last;
  }
  if (first == last) {
    few_.insert(first, run);
    return;
  }
  *first = {std::min(first->begin, run.begin), std::max(std::prev(last)->end, run.end)};
  few_.erase(first + 1, last);
}

void Fragments::erase(Run run) noexcept {
  if (many_) {
    many_->erase_reserved({run.begin, run.end});
    return;
  }
  auto first = few_.begin() + (ending_from(run.begin + 1) - few_.cbegin());
  auto last = first;
  while (last != few_.end() && last->begin < run.end) {
    ++last;
  }
  if (first == last) {
    return;
  }
  const Run before{first->begin, run.begin};
  const Run behind{run.end, std::prev(last)->end};
  if (before.begin < before.end) {
    *first++ = before;
  }
  if (behind.begin < behind.end) {
    if (first == last) {
      few_.insert(first, behind);
      return;
    }
    *--last = behind;
  }
  few_.erase(first, last);
}

void Fragments::clear() noexcept {
  few_ = {};
  many_.reset();
}

void Fragments::check_invariants() const {
  bool sound = !many_ || few_.empty();
  if (many_) {
    many_->check_invariants();
  }
  for (std::size_t i = 0; i < few_.size(); ++i) {
    sound = sound && few_[i].begin < few_[i].end && (i == 0 || few_[i - 1].end < few_[i].begin);
  }
  if (!sound) {
    std::fputs("Fragments: runs that are empty, touch or are out of order\n", stderr);
    std::abort();
  }
}

}  // namespace strandline
