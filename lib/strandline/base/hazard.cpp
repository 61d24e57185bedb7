#include <strandline/base/hazard.h>

#include <new>
#include <utility>

namespace strandline {

namespace {

struct Registry {
  Sync::Atomic<HazardRecord*> first{nullptr};  // pushed to by new threads, walked by held()

  HazardRecord* take() noexcept {
    for (HazardRecord* record = first.load(std::memory_order_acquire); record != nullptr; record = record->next) {
      if (!record->taken.load(std::memory_order_relaxed) && !record->taken.exchange(true, std::memory_order_acquire)) {
        return record;
      }
    }
    auto* const record = new (std::nothrow) HazardRecord();
    if (record != nullptr) {
      record->next = first.load(std::memory_order_acquire);  // its number is read below
      do {
        record->number = record->next != nullptr ? record->next->number + 1 : 0;
      } while (!first.compare_exchange_weak(record->next, record, std::memory_order_acq_rel));
    }
    return record;
  }
};

// Constant-initialised and never destroyed: threads may start before main() and end after it.
Registry registry;

// Gives the record back at the end of the thread.
struct Owner {
  bool ended = false;
  Owner() noexcept = default;
  Owner(const Owner&) = delete;
  Owner& operator=(const Owner&) = delete;
  ~Owner() {
    ended = true;
    if (HazardRecord* const record = std::exchange(Sync::local<hazard_detail::Current>().record, nullptr)) {
      record->taken.store(false, std::memory_order_release);
    }
  }
};

}  // namespace

HazardRecord* hazard_detail::find_record() noexcept {
  if (Sync::local<Owner>().ended) {
    return nullptr;
  }
  Sync::enable_light_fences();
  return Sync::local<Current>().record = registry.take();
}

bool Hazard::held(const void* object) noexcept {
  for (const HazardRecord* record = registry.first.load(std::memory_order_acquire); record != nullptr;
       record = record->next) {
    for (const auto& slot : record->slots) {
      if (slot.load(std::memory_order_acquire) == object) {
        return true;
      }
    }
  }
  return false;
}

}  // namespace strandline
