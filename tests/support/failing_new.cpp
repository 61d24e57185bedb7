// The global operator new and delete of the programs that link this file. All forms are replaced, so
// that none pairs our malloc with somebody else's delete.
#include <tests/support/failing_new.h>

#include <malloc.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <new>

namespace strandline::testing {
namespace {

// A plain thread-local with constant initialisation: operator new runs before any constructor does.
thread_local FailAllocation* innermost = nullptr;

// Every thread adds and subtracts, readers want a total after the threads were joined: relaxed is enough.
std::atomic<std::int64_t> blocks{0};
std::atomic<std::int64_t> bytes{0};

void* allocate(std::size_t size, std::size_t alignment) noexcept {
  if (FailAllocation::next_fails()) {
    return nullptr;
  }
  size = std::max<std::size_t>(size, 1);
  void* block = nullptr;
  if (alignment <= alignof(std::max_align_t)) {
    block = std::malloc(size);
  } else if (size <= SIZE_MAX - alignment) {
    // aligned_alloc wants a multiple of the alignment.
    block = std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
  }
  if (block != nullptr) {
    blocks.fetch_add(1, std::memory_order_relaxed);
    bytes.fetch_add(static_cast<std::int64_t>(malloc_usable_size(block)), std::memory_order_relaxed);
  }
  return block;
}

void* allocate_or_throw(std::size_t size, std::size_t alignment) {
  void* block = allocate(size, alignment);
  if (block == nullptr) {
    throw std::bad_alloc();
  }
  return block;
}

void release(void* block) noexcept {
  if (block != nullptr) {
    blocks.fetch_sub(1, std::memory_order_relaxed);
    bytes.fetch_sub(static_cast<std::int64_t>(malloc_usable_size(block)), std::memory_order_relaxed);
    std::free(block);
  }
}

}  // namespace

FailAllocation::FailAllocation(std::uint64_t k, Afterwards afterwards) noexcept
    : k_(k), afterwards_(afterwards), outer_(innermost) {
  innermost = this;
}

FailAllocation::~FailAllocation() {
  innermost = outer_;
}

bool FailAllocation::next_fails() noexcept {
  FailAllocation* const scope = innermost;
  if (scope == nullptr) {
    return false;
  }
  ++scope->allocations_;
  const bool fails =
      scope->k_ != 0 && (scope->allocations_ == scope->k_ ||
                         (scope->allocations_ > scope->k_ && scope->afterwards_ == Afterwards::keep_going));
  scope->fired_ = scope->fired_ || fails;
  return fails;
}

std::int64_t live_allocations() noexcept {
  return blocks.load(std::memory_order_relaxed);
}
std::int64_t live_bytes() noexcept {
  return bytes.load(std::memory_order_relaxed);
}

}  // namespace strandline::testing

namespace here = strandline::testing;

namespace {
constexpr std::size_t kPlain = alignof(std::max_align_t);
constexpr std::size_t number(std::align_val_t alignment) noexcept {
  return static_cast<std::size_t>(alignment);
}
}  // namespace

void* operator new(std::size_t size) {
  return here::allocate_or_throw(size, kPlain);
}
void* operator new[](std::size_t size) {
  return here::allocate_or_throw(size, kPlain);
}
void* operator new(std::size_t size, std::align_val_t alignment) {
  return here::allocate_or_throw(size, number(alignment));
}
void* operator new[](std::size_t size, std::align_val_t alignment) {
  return here::allocate_or_throw(size, number(alignment));
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  return here::allocate(size, kPlain);
}
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept {
  return here::allocate(size, kPlain);
}
void* operator new(std::size_t size, std::align_val_t alignment, const std::nothrow_t&) noexcept {
  return here::allocate(size, number(alignment));
}
void* operator new[](std::size_t size, std::align_val_t alignment, const std::nothrow_t&) noexcept {
  return here::allocate(size, number(alignment));
}

void operator delete(void* block) noexcept {
  here::release(block);
}
void operator delete[](void* block) noexcept {
  here::release(block);
}
void operator delete(void* block, std::size_t) noexcept {
  here::release(block);
}
void operator delete[](void* block, std::size_t) noexcept {
  here::release(block);
}
void operator delete(void* block, std::align_val_t) noexcept {
  here::release(block);
}
void operator delete[](void* block, std::align_val_t) noexcept {
  here::release(block);
}
void operator delete(void* block, std::size_t, std::align_val_t) noexcept {
  here::release(block);
}
void operator delete[](void* block, std::size_t, std::align_val_t) noexcept {
  here::release(block);
}
void operator delete(void* block, const std::nothrow_t&) noexcept {
  here::release(block);
}
void operator delete[](void* block, const std::nothrow_t&) noexcept {
  here::release(block);
}
void operator delete(void* block, std::align_val_t, const std::nothrow_t&) noexcept {
  here::release(block);
}
void operator delete[](void* block, std::align_val_t, const std::nothrow_t&) noexcept {
  here::release(block);
}
