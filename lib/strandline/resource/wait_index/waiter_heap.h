// WaiterHeap: the links of a pairing heap of waiters, by the byte at which they are satisfied.
// Threads: guarded by the resource's lock. Blocks: never. Errors: none. Cost: meld and cut O(1), pop O(log n)
// amortised. Lifetime: the waiters'. Not installed: of wait_index.cpp only.
#pragma once

#include <strandline/resource/wait_index/waiter.h>

#include <cstddef>
#include <limits>
#include <utility>

namespace strandline {

class WaiterHeap {
 public:
  // Either may be null; both are roots.
  [[nodiscard]] static Waiter* meld(Waiter* a, Waiter* b) noexcept {
    if (a == nullptr || b == nullptr) {
      return a != nullptr ? a : b;
    }
    if (b->satisfied_at() < a->satisfied_at()) {
      std::swap(a, b);
    }
    b->previous_ = a;
    b->sibling_ = a->child_;
    if (a->child_ != nullptr) {
      a->child_->previous_ = b;
    }
    a->child_ = b;
    return a;
  }

  // Takes the root out; answers what is left.
  [[nodiscard]] static Waiter* pop(Waiter& root) noexcept { return merge(std::exchange(root.child_, nullptr)); }

  // Takes a waiter that is no root out of its heap; its children take its place.
  static void cut(Waiter& waiter) noexcept {
    Waiter* const heir = pop(waiter);
    Waiter* const next = std::exchange(waiter.sibling_, nullptr);
    Waiter* const previous = std::exchange(waiter.previous_, nullptr);
    Waiter* const following = heir != nullptr ? heir : next;
    (previous->child_ == &waiter ? previous->child_ : previous->sibling_) = following;
    if (following != nullptr) {
      following->previous_ = previous;
    }
    if (heir != nullptr) {
      heir->sibling_ = next;
      if (next != nullptr) {
        next->previous_ = heir;
      }
    }
  }

  // Takes the heap apart: puts all its waiters before `rest` in a list through next_.
  [[nodiscard]] static Waiter* flatten(Waiter* root, Waiter* rest) noexcept {
    // A stack through next_, so that a deep heap needs no deep recursion.
    root->next_ = nullptr;
    for (Waiter* stack = root; stack != nullptr;) {
      Waiter* const waiter = std::exchange(stack, stack->next_);
      for (Waiter* child = std::exchange(waiter->child_, nullptr); child != nullptr;) {
        Waiter* const following = std::exchange(child->sibling_, nullptr);
        child->previous_ = nullptr;
        child->next_ = std::exchange(stack, child);
        child = following;
      }
      waiter->next_ = std::exchange(rest, waiter);
    }
    return rest;
  }

  // Calls visit(waiter) for every one, or for `most` of them, the root first. The way up goes along the siblings, each
  // once.
  template <class Visit>
  static void for_each(const Waiter& root, Visit&& visit, std::size_t most = std::numeric_limits<std::size_t>::max()) {
    const Waiter* waiter = &root;
    for (; most > 0; --most) {
      visit(*waiter);
      if (waiter->child_ != nullptr) {
        waiter = waiter->child_;
        continue;
      }
      while (waiter != &root && waiter->sibling_ == nullptr) {
        const Waiter* first = waiter;
        while (first->previous_->child_ != first) {
          first = first->previous_;
        }
        waiter = first->previous_;
      }
      if (waiter == &root) {
        return;
      }
      waiter = waiter->sibling_;
    }
  }

 private:
  // The two passes of the paper: pairs from left to right, then all from right to left.
  [[nodiscard]] static Waiter* merge(Waiter* first) noexcept {
    Waiter* pairs = nullptr;  // in reverse, through sibling_
    while (first != nullptr) {
      Waiter* const a = first;
      Waiter* const b = std::exchange(a->sibling_, nullptr);
      first = b != nullptr ? std::exchange(b->sibling_, nullptr) : nullptr;
      a->previous_ = nullptr;
      if (b != nullptr) {
        b->previous_ = nullptr;
      }
      Waiter* const pair = meld(a, b);
      pair->sibling_ = std::exchange(pairs, pair);
    }
    Waiter* heap = nullptr;
    while (pairs != nullptr) {
      Waiter* const pair = pairs;
      pairs = std::exchange(pair->sibling_, nullptr);
      heap = meld(heap, pair);
    }
    return heap;
  }
};

}  // namespace strandline
