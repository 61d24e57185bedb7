// NodeStash: memory for the nodes of a RangeSet, put aside before a change so that the change cannot fail.
// Threads: a value, guarded as its set is. Blocks: never. Errors: reserve() throws std::bad_alloc, the
// only one that has to. Cost: at most three idle nodes per set. Lifetime: outlives the set that allocates from it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <new>
#include <type_traits>

namespace strandline {

// A red-black node is a range (two offsets) and at most four words, in libstdc++ and libc++ alike.
inline constexpr std::size_t kNodeBytes = 2 * sizeof(std::uint64_t) + 4 * sizeof(void*);
inline constexpr std::size_t kStashedNodes = 3;

// Raw memory for a few nodes, put aside before a change and refilled by the nodes it frees, so that
// a sequential writer (append, join, free) allocates no node at all.
class NodeStash {
 public:
  NodeStash() = default;
  NodeStash(const NodeStash&) = delete;
  NodeStash& operator=(const NodeStash&) = delete;
  ~NodeStash() {
    while (count_ > 0) {
      ::operator delete(nodes_[--count_]);
    }
  }

  // Has so many nodes ready, three at the most. Throws std::bad_alloc.
  void reserve(std::size_t nodes) {
    while (count_ < nodes) {
      nodes_[count_] = ::operator new(kNodeBytes);
      ++count_;
    }
  }
  [[nodiscard]] void* take() { return count_ > 0 ? nodes_[--count_] : ::operator new(kNodeBytes); }
  void give_back(void* node) noexcept {
    if (count_ < kStashedNodes) {
      nodes_[count_++] = node;
    } else {
      ::operator delete(node);
    }
  }

 private:
  std::array<void*, kStashedNodes> nodes_{};
  std::size_t count_ = 0;
};

// The set's allocator: one node at a time, from the stash of the Impl that holds the set.
template <class T>
class NodeAllocator {
 public:
  using value_type = T;
  using propagate_on_container_move_assignment = std::true_type;

  NodeAllocator() noexcept = default;  // ICL asks for it; every set made here is given a stash
  explicit NodeAllocator(NodeStash& stash) noexcept : stash_(&stash) {}
  template <class U>
  NodeAllocator(const NodeAllocator<U>& other) noexcept : stash_(other.stash()) {}

  [[nodiscard]] T* allocate(std::size_t count) {
    static_assert(sizeof(T) <= kNodeBytes && alignof(T) <= alignof(std::max_align_t));
    if (count != 1 || stash_ == nullptr) {
      throw std::bad_alloc();  // a node-based set never gets here
    }
    return static_cast<T*>(stash_->take());
  }
  void deallocate(T* node, std::size_t /*count*/) noexcept { stash_->give_back(node); }

  [[nodiscard]] NodeStash* stash() const noexcept { return stash_; }
  template <class U>
  friend bool operator==(const NodeAllocator& a, const NodeAllocator<U>& b) noexcept {
    return a.stash() == b.stash();
  }

 private:
  NodeStash* stash_ = nullptr;
};

}  // namespace strandline
