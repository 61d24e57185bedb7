#include <tests/schedule/explorer/heap.h>

#include <tests/schedule/explorer/scheduler.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>

namespace strandline::schedule {

namespace {

constexpr std::size_t kStep = 32;        // block sizes are multiples of this
constexpr std::size_t kLargest = 32768;  // larger ones come from malloc and are not watched
constexpr std::uint32_t kLive = 0x11223344, kFreed = 0x55667788;

struct Block {
  std::uint32_t mark;
  std::uint32_t steps;  // its size in kStep; 0: from malloc
  Block* next;
  [[nodiscard]] unsigned char* bytes() noexcept { return reinterpret_cast<unsigned char*>(this + 1); }
  [[nodiscard]] std::size_t size() const noexcept { return steps * kStep; }
};
static_assert(sizeof(Block) == 16);

std::array<Block*, kLargest / kStep + 1> free_blocks;
Block* quarantined = nullptr;
std::int64_t in_use = 0;
bool scheduler_made = false;

// The scheduler itself allocates while it is made.
bool in_fiber() noexcept {
  return scheduler_made && Scheduler::self().active();
}

Block* fresh_block(std::size_t steps) noexcept {
  // A slab at a time, so that blocks of a size lie together and cost no call of malloc each.
  const std::size_t each = sizeof(Block) + steps * kStep;
  const std::size_t count = std::max<std::size_t>(1, 16384 / each);
  auto* slab = static_cast<unsigned char*>(std::malloc(each * count));
  if (slab == nullptr) {
    return nullptr;
  }
  Block* list = nullptr;
  for (std::size_t i = count; i-- > 0;) {
    list = ::new (slab + i * each) Block{kFreed, static_cast<std::uint32_t>(steps), list};
  }
  free_blocks[steps] = list->next;
  return list;
}

void* allocate(std::size_t size) noexcept {
  const std::size_t steps = size <= kLargest ? std::max<std::size_t>(1, (size + kStep - 1) / kStep) : 0;
  Block* block;
  if (steps == 0) {
    block = static_cast<Block*>(std::malloc(sizeof(Block) + size));
  } else if ((block = free_blocks[steps]) != nullptr) {
    free_blocks[steps] = block->next;
  } else {
    block = fresh_block(steps);
  }
  if (block == nullptr) {
    return nullptr;
  }
  block->mark = kLive;
  block->steps = static_cast<std::uint32_t>(steps);
  // The same rubbish each time: what reads it does the same in a replay.
  std::memset(block->bytes(), 0xa7, std::min<std::size_t>(block->size(), 256));
  in_use += in_fiber() ? 1 : 0;
  return block->bytes();
}

void release(void* memory) noexcept {
  if (memory == nullptr) {
    return;
  }
  Block* const block = static_cast<Block*>(memory) - 1;
  if (block->mark != kLive) {
    if (in_fiber()) {
      Scheduler::self().fail("memory was freed twice");
    }
    std::fputs("schedule: memory was freed twice\n", stderr);
    std::abort();
  }
  block->mark = kFreed;
  if (block->steps == 0) {
    std::free(block);
    return;
  }
  if (in_fiber()) {
    --in_use;
    std::memset(block->bytes(), kDead, block->size());
    block->next = std::exchange(quarantined, block);
  } else {
    block->next = std::exchange(free_blocks[block->steps], block);
  }
}

}  // namespace

bool heap_end_schedule() noexcept {
  scheduler_made = true;
  bool untouched = true;
  while (quarantined != nullptr) {
    Block* const block = std::exchange(quarantined, quarantined->next);
    const unsigned char* const bytes = block->bytes();
    // All bytes are the same if the first is right and each equals its neighbour.
    untouched = untouched && bytes[0] == kDead && std::memcmp(bytes, bytes + 1, block->size() - 1) == 0;
    block->next = std::exchange(free_blocks[block->steps], block);
  }
  return untouched;
}

std::int64_t heap_in_use() noexcept {
  return in_use;
}

}  // namespace strandline::schedule

void* operator new(std::size_t size) {
  if (void* const memory = strandline::schedule::allocate(size)) {
    return memory;
  }
  throw std::bad_alloc();
}
void* operator new(std::size_t size, const std::nothrow_t& /*none*/) noexcept {
  return strandline::schedule::allocate(size);
}
void operator delete(void* memory) noexcept {
  strandline::schedule::release(memory);
}
void operator delete(void* memory, std::size_t /*size*/) noexcept {
  strandline::schedule::release(memory);
}
