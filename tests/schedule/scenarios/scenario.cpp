#include <tests/schedule/scenarios/scenario.h>

#include <algorithm>
#include <string>

namespace strandline::schedule {

namespace {

constexpr std::uint64_t kGenerations = 3;

using Contents = std::array<std::array<std::byte, kLongest>, kGenerations>;

const Contents& contents() {
  static const auto made = [] {
    Contents all;
    for (std::uint64_t generation = 1; generation <= kGenerations; ++generation) {
      for (std::uint64_t offset = 0; offset < kLongest; ++offset) {
        all[generation - 1][offset] = byte_at(offset, generation);
      }
    }
    return all;
  }();
  return made;
}

void use_every_fiber() {
  auto resource = opened_memory();
  auto writer = required(resource.writer());
  write(writer, {0, 8});
  Sync::Mutex mutex;
  Sync::CondVar changed;
  unsigned waiting = kFibers - 1;
  for (unsigned i = 1; i < kFibers; ++i) {
    spawn("one of many", [&] {
      read(resource, {0, 8});
      mutex.lock();
      --waiting;
      changed.notify_all();
      while (waiting > 0) {
        changed.wait(mutex);
      }
      mutex.unlock();
    });
  }
  read(resource, {0, 8});
  join();
}

}  // namespace

const Scenario& warm_up() {
  static constexpr Scenario kWarmUp{"warm_up", "", use_every_fiber};
  return kWarmUp;
}

std::span<const std::byte> content(ByteRange range, std::uint64_t generation) {
  return std::span<const std::byte>(contents()[generation - 1]).subspan(range.begin, range.size());
}

std::uint64_t generation_of(std::uint64_t offset, std::span<const std::byte> bytes) {
  for (std::uint64_t generation = 1; generation <= kGenerations; ++generation) {
    const auto expected = content({offset, offset + bytes.size()}, generation);
    if (std::memcmp(expected.data(), bytes.data(), bytes.size()) == 0) {
      return generation;
    }
  }
  return 0;
}

Resource<Memory> opened_memory(std::uint64_t expected_length) {
  MemoryDriver::Options options;
  options.expected_length = expected_length;
  return required(Resource<Memory>::open(std::move(options)));
}

Resource<Ring> opened_ring(std::uint64_t capacity, Overflow overflow) {
  RingDriver::Options options;
  options.capacity = capacity;
  options.overflow = overflow;
  return required(Resource<Ring>::open(options));
}

std::string_view word(const Result<WaitOutcome>& outcome) {
  constexpr std::string_view kWords[] = {"ready", "eof", "timed_out", "interrupted"};
  return outcome ? kWords[static_cast<int>(*outcome)] : to_string(outcome.error().code);
}

void expect_word(std::string_view said, std::initializer_list<std::string_view> allowed, const char* what) {
  if (std::find(allowed.begin(), allowed.end(), said) == allowed.end()) {
    Scheduler::self().fail(std::string(what) + " answered " + std::string(said));
  }
}

}  // namespace strandline::schedule
