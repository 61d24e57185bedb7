// Mutex, CondVar, Atomic<T> and the futex on the Scheduler: each operation is a point where others may run first.
// Everything is sequentially consistent: memory orders are taken and ignored. Use of one that has been
// destroyed is found: its bytes are kDead from then on, or were given to something else.
// Threads: fibers. Blocks: as the real ones. Errors: Scheduler::fail(). Cost: a point each.
// Lifetime: may be static; outside of a schedule they work without points.
#pragma once

#include <tests/schedule/explorer/heap.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <type_traits>

namespace strandline::schedule {

using Time = std::chrono::steady_clock::time_point;

// Fills an object at its end, in a way that the compiler may not leave out.
inline void mark_dead(void* object, std::size_t size) noexcept {
  std::memset(object, kDead, size);
  __asm__ volatile("" : : "r"(object) : "memory");
}

class Mutex {
 public:
  constexpr Mutex() noexcept = default;
  ~Mutex();
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;
  void lock() noexcept;
  void unlock() noexcept;
  bool try_lock() noexcept;

 private:
  friend class CondVar;
  static constexpr std::uint32_t kAlive = 0x4d757478, kNobody = ~std::uint32_t{0};
  void check(const char* use) const noexcept;
  void acquire() noexcept;
  void release() noexcept;

  std::uint32_t alive_ = kAlive;
  std::uint32_t owner_ = kNobody;  // a fiber's number
};

class CondVar {
 public:
  constexpr CondVar() noexcept = default;
  ~CondVar();
  CondVar(const CondVar&) = delete;
  CondVar& operator=(const CondVar&) = delete;
  void wait(Mutex& mutex) noexcept { wait_until(mutex, Time::max()); }
  bool wait_until(Mutex& mutex, Time deadline) noexcept;
  void notify_one() noexcept;
  void notify_all() noexcept;

 private:
  static constexpr std::uint32_t kAlive = 0x436f6e64;
  void check(const char* use) const noexcept;
  std::uint32_t alive_ = kAlive;
};

// The points of Atomic<T>, kept out of the template. The second says that the value was dead.
void atomic_point(const char* operation, const void* object) noexcept;
[[noreturn]] void atomic_dead(const void* object) noexcept;
[[nodiscard]] bool weak_exchange_fails() noexcept;

template <class T>
class Atomic {
 public:
  using value_type = T;
  static constexpr bool is_always_lock_free = std::atomic<T>::is_always_lock_free;

  constexpr Atomic() noexcept = default;
  constexpr Atomic(T value) noexcept : value_(value) {}
  ~Atomic() { mark_dead(&value_, sizeof value_); }
  Atomic(const Atomic&) = delete;
  Atomic& operator=(const Atomic&) = delete;

  T load(std::memory_order = std::memory_order_seq_cst) const noexcept {
    point("load");
    return value_;
  }
  void store(T value, std::memory_order = std::memory_order_seq_cst) noexcept {
    point("store");
    value_ = value;
  }
  T exchange(T value, std::memory_order = std::memory_order_seq_cst) noexcept {
    point("exchange");
    const T before = value_;
    value_ = value;
    return before;
  }
  bool compare_exchange_strong(T& expected, T desired, std::memory_order = std::memory_order_seq_cst,
                               std::memory_order = std::memory_order_seq_cst) noexcept {
    point("compare_exchange");
    if (std::memcmp(&value_, &expected, sizeof(T)) == 0) {
      value_ = desired;
      return true;
    }
    expected = value_;
    return false;
  }
  bool compare_exchange_weak(T& expected, T desired, std::memory_order = std::memory_order_seq_cst,
                             std::memory_order = std::memory_order_seq_cst) noexcept {
    if (weak_exchange_fails()) {
      expected = load();
      return false;
    }
    return compare_exchange_strong(expected, desired);
  }
  T fetch_add(auto amount, std::memory_order = std::memory_order_seq_cst) noexcept {
    point("fetch_add");
    const T before = value_;
    value_ = static_cast<T>(value_ + amount);
    return before;
  }
  T fetch_sub(auto amount, std::memory_order = std::memory_order_seq_cst) noexcept {
    point("fetch_sub");
    const T before = value_;
    value_ = static_cast<T>(value_ - amount);
    return before;
  }
  T fetch_or(T bits, std::memory_order = std::memory_order_seq_cst) noexcept {
    point("fetch_or");
    const T before = value_;
    value_ = static_cast<T>(value_ | bits);
    return before;
  }
  T fetch_and(T bits, std::memory_order = std::memory_order_seq_cst) noexcept {
    point("fetch_and");
    const T before = value_;
    value_ = static_cast<T>(value_ & bits);
    return before;
  }
  operator T() const noexcept { return load(); }
  T operator=(T value) noexcept {
    store(value);
    return value;
  }
  T operator++() noexcept { return static_cast<T>(fetch_add(1) + 1); }
  T operator++(int) noexcept { return fetch_add(1); }
  T operator--() noexcept { return static_cast<T>(fetch_sub(1) - 1); }
  T operator--(int) noexcept { return fetch_sub(1); }

 private:
  static_assert(std::is_trivially_copyable_v<T>);
  friend struct Futex;

  void point(const char* operation) const noexcept {
    atomic_point(operation, this);
    // Of one or two bytes, dead ones could as well be a value.
    if constexpr (sizeof(T) >= 4) {
      unsigned char dead[sizeof(T)];
      std::memset(dead, kDead, sizeof(T));
      if (std::memcmp(dead, &value_, sizeof(T)) == 0) {
        atomic_dead(this);
      }
    }
  }

  T value_{};
};

struct Futex {
  static bool wait(Atomic<std::uint32_t>& word, std::uint32_t expected, Time deadline) noexcept;
  // The word may be gone: only its address counts.
  static void wake(Atomic<std::uint32_t>& word) noexcept;
};

}  // namespace strandline::schedule
