// The tool the other tests lean on has to be right itself.
#include <doctest/doctest.h>
#include <tests/support/failing_new.h>

#include <cstdint>
#include <memory>
#include <new>
#include <string>
#include <thread>
#include <vector>

using strandline::testing::Afterwards;
using strandline::testing::FailAllocation;
using strandline::testing::for_each_failing_allocation;
using strandline::testing::live_allocations;
using strandline::testing::live_bytes;

namespace {

// A compiler may leave out a new whose block nobody sees.
const void* volatile observed = nullptr;

struct alignas(128) Wide {
  char bytes[256] = {};
};

// Which of four allocations failed, as a picture: '#' given, '.' refused.
std::string picture(std::uint64_t k, Afterwards afterwards) {
  std::string text(4, '?');
  FailAllocation scope(k, afterwards);
  for (char& mark : text) {
    void* block = ::operator new(8, std::nothrow);
    mark = block != nullptr ? '#' : '.';
    ::operator delete(block);
  }
  return text;
}

}  // namespace

TEST_CASE("F18: exactly the k-th allocation fails, or all from it on") {
  CHECK(picture(0, Afterwards::keep_going) == "####");
  CHECK(picture(1, Afterwards::succeed) == ".###");
  CHECK(picture(3, Afterwards::succeed) == "##.#");
  CHECK(picture(3, Afterwards::keep_going) == "##..");
  CHECK(picture(5, Afterwards::succeed) == "####");
}

TEST_CASE("F18: every form of operator new fails as its kind does") {
  const auto fails = [](auto&& call) {
    const FailAllocation scope(1);
    try {
      call();
    } catch (const std::bad_alloc&) {
      return scope.fired();
    }
    return false;
  };
  CHECK(fails([] { observed = std::make_unique<int>(1).get(); }));
  CHECK(fails([] { observed = std::make_unique<int[]>(9).get(); }));
  CHECK(fails([] { observed = std::make_unique<Wide>().get(); }));
  CHECK(fails([] { observed = std::make_unique<Wide[]>(2).get(); }));
  CHECK(fails([] { observed = std::vector<int>(9).data(); }));
}

TEST_CASE("failing_new: aligned blocks are aligned, and all are counted out again") {
  // Readings first, checks last: doctest allocates too.
  const std::int64_t blocks = live_allocations();
  const std::int64_t bytes = live_bytes();
  auto wide = std::make_unique<Wide>();
  observed = wide.get();
  const bool aligned = reinterpret_cast<std::uintptr_t>(observed) % alignof(Wide) == 0;
  auto plain = std::make_unique<char[]>(100);
  observed = plain.get();
  const std::int64_t blocks_held = live_allocations();
  const std::int64_t bytes_held = live_bytes();
  wide.reset();
  plain.reset();
  const std::int64_t blocks_after = live_allocations();
  const std::int64_t bytes_after = live_bytes();
  CHECK(aligned);
  CHECK(blocks_held == blocks + 2);
  CHECK(bytes_held >= bytes + 356);
  CHECK(blocks_after == blocks);
  CHECK(bytes_after == bytes);
}

TEST_CASE("failing_new: scopes nest and belong to their thread") {
  const FailAllocation outer(1, Afterwards::succeed);
  {
    const FailAllocation inner(0);
    void* block = ::operator new(8);
    ::operator delete(block);
  }
  const bool untouched = !outer.fired() && outer.allocations() == 0;
  void* refused = ::operator new(8, std::nothrow);
  CHECK(untouched);
  CHECK(refused == nullptr);
  CHECK(outer.fired());
  ::operator delete(refused);

  bool other_thread_failed = false;
  std::thread other([&] {
    void* block = ::operator new(8, std::nothrow);
    other_thread_failed = block == nullptr;
    ::operator delete(block);
  });
  other.join();
  CHECK_FALSE(other_thread_failed);
}

TEST_CASE("failing_new: the walk ends one past the last allocation") {
  const std::uint64_t last = for_each_failing_allocation([](std::uint64_t k) {
    const FailAllocation scope(k);
    for (int i = 0; i < 3; ++i) {
      ::operator delete(::operator new(8, std::nothrow));
    }
    return scope.fired();
  });
  CHECK(last == 4);
}
