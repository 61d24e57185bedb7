// Hazard: keeps what a shared pointer points to from being destroyed while a reader uses it, without a lock and
// without a shared count. (M. Michael, "Hazard Pointers", IEEE TPDS 15(6), 2004; the reader's fence is a
// membarrier(2) on the side of who destroys.)
// Threads: a Hazard is its thread's own; held() may be asked by anybody. Blocks: never. Errors: protect()
// answers null when a thread holds too many; callers then take their lock. Cost: some loads and stores.
// Lifetime: within one scope, the last made the first to go. A thread's record is used again after the thread.
#pragma once

#include <strandline/base/sync.h>

#include <array>
#include <cstddef>
#include <cstdint>

namespace strandline {

// What one thread protects. Records are linked for good, and taken over from threads that have ended.
struct HazardRecord {
  static constexpr std::size_t kSlots = 4;  // nested reads: of a resource whose driver reads another, and so on
  // Written by the owning thread, read by whoever wants to destroy.
  std::array<Sync::Atomic<const void*>, kSlots> slots{};
  std::size_t used = 0;  // the owner's
  std::size_t number = 0;
  HazardRecord* next = nullptr;  // constant once linked
  Sync::Atomic<bool> taken{true};
};

namespace hazard_detail {

struct Current {
  HazardRecord* record;  // zero at the start of a thread, and after its Owner (hazard.cpp) has gone
};
[[nodiscard]] HazardRecord* find_record() noexcept;

}  // namespace hazard_detail

// This thread's record; null at the end of the thread, or without memory for one.
[[nodiscard]] inline HazardRecord* this_thread_hazards() noexcept {
  HazardRecord* const record = Sync::local<hazard_detail::Current>().record;
  return record != nullptr ? record : hazard_detail::find_record();
}

class Hazard {
 public:
  Hazard() noexcept : record_(this_thread_hazards()) {
    if (record_ != nullptr && record_->used < HazardRecord::kSlots) {
      slot_ = &record_->slots[record_->used];
    }
    if (record_ != nullptr) {
      ++record_->used;
    }
  }
  ~Hazard() {
    if (slot_ != nullptr) {
      // Release: whoever finds the slot empty finds our reads done.
      slot_->store(nullptr, std::memory_order_release);
    }
    if (record_ != nullptr) {
      --record_->used;
    }
  }
  Hazard(const Hazard&) = delete;
  Hazard& operator=(const Hazard&) = delete;

  // What the source points to, which stays until this goes; or null.
  template <class T>
  [[nodiscard]] T* protect(const Sync::Atomic<T*>& source) noexcept {
    if (slot_ == nullptr) {
      return nullptr;
    }
    T* seen = source.load(std::memory_order_relaxed);
    for (;;) {
      if (seen == nullptr) {
        return nullptr;
      }
      slot_->store(seen, std::memory_order_release);
      // Who unlinks it fences between that and asking held(): either we see that it is gone, or they see us.
      Sync::light_fence();
      T* const again = source.load(std::memory_order_acquire);
      if (again == seen) {
        return seen;
      }
      seen = again;
    }
  }
  // The same for what cannot be unlinked now, because the caller holds the lock for that. False: no room.
  [[nodiscard]] bool hold(const void* object) noexcept {
    if (slot_ == nullptr) {
      return false;
    }
    slot_->store(object, std::memory_order_release);
    return true;
  }
  // No two threads have the same at a time, and they are small; all ones for a thread without a record.
  [[nodiscard]] std::size_t thread_number() const noexcept {
    return record_ != nullptr ? record_->number : ~std::size_t{0};
  }

  // Does any thread protect it? Call Sync::heavy_fence() between unlinking it and this. O(threads).
  [[nodiscard]] static bool held(const void* object) noexcept;

 private:
  HazardRecord* const record_;
  Sync::Atomic<const void*>* slot_ = nullptr;
};

}  // namespace strandline
