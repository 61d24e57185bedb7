// Fragments: what is there of one word of a BlockMap, 256 KiB, in blocks that are not wholly there.
// Threads: a value; const calls may run at once. Blocks: never. Errors: reserve() and clone() throw std::bad_alloc and
// change nothing. Cost: O(log runs) and, for a change, moving up to 32 KiB of runs; 8 bytes a run, or a tree's node
// once a change came before 4096 others. Lifetime: a value.
#pragma once

#include <strandline/base/range_set.h>

#include <cstdint>
#include <memory>
#include <vector>

namespace strandline {

// Invariant: runs are not empty, in order, and do not touch; they are in many_ if there is one, else in few_.
class Fragments {
 public:
  // [begin, end), in bytes from the word's begin.
  struct Run {
    std::uint32_t begin = 0;
    std::uint32_t end = 0;
  };

  [[nodiscard]] Fragments clone() const;

  [[nodiscard]] bool empty() const noexcept { return many_ ? many_->empty() : few_.empty(); }
  // One past the run that the byte is in; the byte itself when it is in none.
  [[nodiscard]] std::uint32_t run_end(std::uint32_t at) const noexcept;
  // The first byte in [at, limit) that is there; `limit` if there is none.
  [[nodiscard]] std::uint32_t next(std::uint32_t at, std::uint32_t limit) const noexcept;
  // One past the last byte that is there; 0 without any.
  [[nodiscard]] std::uint32_t end() const noexcept;

  // After it three calls of add() and erase() of bytes from `from` on cannot fail.
  void reserve(std::uint32_t from);
  void add(Run run) noexcept;
  // Do all runs end before the byte, and is there room for two more? Then they may be appended.
  [[nodiscard]] bool may_append(std::uint32_t from) const noexcept {
    return !many_ && few_.capacity() - few_.size() >= 2 && (few_.empty() || few_.back().end < from);
  }
  void append(Run run) noexcept { few_.push_back(run); }
  void erase(Run run) noexcept;
  void clear() noexcept;

  // Calls visit(run), in order.
  template <class Visit>
  void visit(Visit&& visit) const {
    for (const Run run : few_) {
      visit(run);
    }
    if (many_) {
      for (const ByteRange run : *many_) {
        visit(Run{static_cast<std::uint32_t>(run.begin), static_cast<std::uint32_t>(run.end)});
      }
    }
  }

  // Aborts when the invariant is broken. O(runs).
  void check_invariants() const;

 private:
  // The first run that ends at or behind the byte.
  [[nodiscard]] std::vector<Run>::const_iterator ending_from(std::uint32_t at) const noexcept;

  std::vector<Run> few_;
  std::unique_ptr<RangeSet> many_;
};

}  // namespace strandline
