// async_wait() as an Asio operation: every token, where the handler runs, what cancels it.
#include <strandline/async/asio.h>
#include <tests/async/face_cases.h>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_allocator.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/system/system_error.hpp>

#include <cstddef>
#include <future>
#include <new>

using namespace strandline;
using namespace strandline::testing;
namespace asio = boost::asio;

namespace {

std::string word_of(const boost::system::error_code& error, WaitOutcome outcome) {
  if (error == asio::error::operation_aborted) {
    return "!aborted";
  }
  if (error) {
    const std::error_code code = error;
    REQUIRE(code.category() == strandline_category());
    return "!" + std::string(to_string(static_cast<Errc>(code.value())));
  }
  return word(outcome);
}

// What both faces run on.
struct OnContext {
  std::string answer() {
    io.restart();
    (void)io.poll();
    return taken;
  }
  std::string settle() {
    io.restart();
    (void)io.run();  // the wait counts as work
    return taken;
  }
  asio::io_context io;
  std::string taken = "pending";
};

// Destroying it does not withdraw: its last word is the context's to deliver.
struct AsioFace : OnContext {
  template <class D>
  void begin(const Resource<D>& resource, ByteRange range, const WaitOptions& options) {
    async_wait(resource, range, options, asio::bind_executor(io, [this](auto error, WaitOutcome outcome) {
                 CHECK(io.get_executor().running_in_this_thread());
                 taken = taken == "pending" ? word_of(error, outcome) : "twice";
               }));
    CHECK(taken == "pending");  // never inline
  }
};

// The same through a coroutine of Asio's.
struct AwaitableFace : OnContext {
  template <class D>
  void begin(const Resource<D>& resource, ByteRange range, const WaitOptions& options) {
    const auto body = [](AwaitableFace* face, auto operation) -> asio::awaitable<void> {
      std::string now;
      try {
        now = word(co_await std::move(operation)(asio::use_awaitable));
      } catch (const boost::system::system_error& error) {
        now = word_of(error.code(), {});
      }
      face->taken = face->taken == "pending" ? now : "twice";
    };
    asio::co_spawn(io, body(this, async_wait(resource, range, options, asio::deferred)), asio::detached);
    (void)io.poll();
  }
};

}  // namespace

STRANDLINE_FACES_INVOKE(AsioFace, AwaitableFace);

TEST_CASE("async_wait: use_future answers, and throws an Errc that std::error_code knows again") {
  Opened<MemoryDriver> opened;
  auto future = async_wait(opened.resource, {0, 4}, {}, asio::use_future);
  CHECK(opened.write({0, 4}) == "4");
  CHECK(future.get() == WaitOutcome::ready);
  // On this thread: TSan does not see how libstdc++ hands an exception from one thread to another.
  asio::io_context io;
  auto failing = async_wait(opened.resource, {4, 8}, {}, asio::bind_executor(io, asio::use_future));
  CHECK(says(opened.writer.fail(Error::make(Errc::io, "the line went dead"))) == "ok");
  (void)io.run();
  try {
    (void)failing.get();
    FAIL("no error");
  } catch (const boost::system::system_error& error) {
    CHECK(error.code() == Errc::failed);
    CHECK(std::error_code(error.code()) == make_error_code(Errc::failed));
    CHECK(error.code().message() == make_error_code(Errc::failed).message());
  }
  CHECK(to_boost(Errc::cancelled) == std::errc::operation_canceled);
  auto timed = async_wait(opened.resource, {0, 4}, at_once(), asio::use_future);
  CHECK(timed.get() == WaitOutcome::ready);
}

TEST_CASE("async_wait: a plain callback without an executor runs on the system's, not on the writer's thread") {
  Opened<MemoryDriver> opened;
  std::promise<std::thread::id> called;
  async_wait(opened.resource, {0, 4}, {}, [&](boost::system::error_code error, WaitOutcome outcome) {
    CHECK(word_of(error, outcome) == "ready");
    called.set_value(std::this_thread::get_id());
  });
  CHECK(opened.write({0, 4}) == "4");
  CHECK(called.get_future().get() != std::this_thread::get_id());
}

TEST_CASE("async_wait: decided on its own executor's thread it is still posted, behind what is there") {
  Opened<MemoryDriver> opened;
  asio::io_context io;
  std::string order;
  auto handler = asio::bind_executor(io, [&](boost::system::error_code, WaitOutcome) { order += "handler "; });
  async_wait(opened.resource, {0, 4}, {}, handler);
  asio::post(io, [&] {
    (void)opened.write({0, 4});
    order += "written ";
    async_wait(opened.resource, {0, 4}, {}, handler);
    order += "begun ";
  });
  CHECK(io.run() == 3);
  CHECK(order == "written begun handler handler ");
}

TEST_CASE("R11: async_wait: each type of cancellation ends just this wait, with operation_aborted") {
  for (const auto type : {asio::cancellation_type::terminal, asio::cancellation_type::partial,
                          asio::cancellation_type::total, asio::cancellation_type::all}) {
    Opened<MemoryDriver> opened;
    asio::io_context io;
    std::string first;
    std::string second;
    auto signal = std::make_unique<asio::cancellation_signal>();
    async_wait(
        opened.resource, {0, 4}, {},
        asio::bind_cancellation_slot(signal->slot(), asio::bind_executor(io, [&](auto error, WaitOutcome outcome) {
                                       first += word_of(error, outcome);
                                     })));
    async_wait(opened.resource, {0, 4}, {},
               asio::bind_executor(io, [&](auto error, WaitOutcome outcome) { second += word_of(error, outcome); }));
    signal->emit(asio::cancellation_type::none);
    CHECK(opened.resource.stats().parked == 2);
    signal->emit(type);
    CHECK(first.empty());
    CHECK(opened.resource.stats().parked == 1);
    signal->emit(type);  // again, decided by now
    (void)io.poll();
    CHECK(first == "!aborted");
    signal->emit(type);  // and after it is gone
    CHECK(opened.write({0, 4}) == "4");
    (void)io.run();
    CHECK(first == "!aborted");
    CHECK(second == "ready");
  }
}

TEST_CASE("R11: async_wait: the signal goes first; a cancellation that comes too late changes nothing") {
  Opened<MemoryDriver> opened;
  asio::io_context io;
  std::string words;
  const auto handler =
      asio::bind_executor(io, [&](auto error, WaitOutcome outcome) { words += word_of(error, outcome) + " "; });
  {
    asio::cancellation_signal signal;
    async_wait(opened.resource, {0, 4}, {}, asio::bind_cancellation_slot(signal.slot(), handler));
  }
  asio::cancellation_signal late;
  async_wait(opened.resource, {0, 4}, {}, asio::bind_cancellation_slot(late.slot(), handler));
  CHECK(opened.write({0, 4}) == "4");
  late.emit(asio::cancellation_type::terminal);
  (void)io.run();
  CHECK(words == "ready ready ");
}

TEST_CASE("async_wait: against a timer, with awaitable operators") {
  using namespace asio::experimental::awaitable_operators;
  Opened<MemoryDriver> opened;
  asio::io_context io;
  std::size_t which = 9;
  asio::co_spawn(
      io,
      [&]() -> asio::awaitable<void> {
        asio::steady_timer timer(io, std::chrono::milliseconds(2));
        const auto result = co_await (async_wait(opened.resource, {0, 4}, {}, asio::use_awaitable) ||
                                      timer.async_wait(asio::use_awaitable));
        which = result.index();
      },
      asio::detached);
  (void)io.run();
  CHECK(which == 1);
  CHECK(opened.resource.stats().parked == 0);
}

namespace {

// Counts what is allocated through it.
template <class T>
struct Counting {
  using value_type = T;
  explicit Counting(std::ptrdiff_t* blocks, int* count) : live(blocks), total(count) {}
  template <class U>
  Counting(const Counting<U>& other) : live(other.live), total(other.total) {}
  T* allocate(std::size_t count) {
    ++*live;
    ++*total;
    return static_cast<T*>(::operator new(count * sizeof(T)));
  }
  void deallocate(T* block, std::size_t) {
    --*live;
    ::operator delete(block);
  }
  template <class U>
  bool operator==(const Counting<U>& other) const {
    return live == other.live;
  }
  template <class U>
  bool operator!=(const Counting<U>& other) const {
    return live != other.live;
  }
  std::ptrdiff_t* live;
  int* total;
};

}  // namespace

TEST_CASE("async_wait: the handler's allocator is used, and all of it is free again before the handler runs") {
  for (const bool cancellable : {false, true}) {
    CAPTURE(cancellable);
    Opened<MemoryDriver> opened;
    asio::io_context io;
    asio::cancellation_signal signal;
    std::ptrdiff_t live = 0;
    std::ptrdiff_t live_in_handler = 9;
    int total = 0;
    async_wait(opened.resource, {0, 4}, {},
               asio::bind_cancellation_slot(
                   cancellable ? signal.slot() : asio::cancellation_slot(),
                   asio::bind_executor(io, asio::bind_allocator(Counting<std::byte>(&live, &total),
                                                                [&](auto, WaitOutcome) { live_in_handler = live; }))));
    CHECK(live == 1);
    CHECK(opened.write({0, 4}) == "4");
    (void)io.run();
    CHECK(total == 2);  // the operation and the post
    CHECK(live_in_handler == 0);
    CHECK(live == 0);
  }
}

TEST_CASE("async_wait: handlers may be move-only, and run on a strand of a pool") {
  Opened<MemoryDriver> opened;
  asio::thread_pool pool(2);
  auto strand = asio::make_strand(pool);
  std::atomic<int> inside{0};
  std::atomic<int> done{0};
  constexpr int kWaits = 200;
  for (int i = 0; i < kWaits; ++i) {
    async_wait(opened.resource, {0, 4}, {},
               asio::bind_executor(strand, [&, only = std::make_unique<int>(1)](auto, WaitOutcome) {
                 CHECK(inside++ == 0);
                 CHECK(strand.running_in_this_thread());
                 done += *only;
                 --inside;
               }));
  }
  CHECK(opened.write({0, 4}) == "4");
  pool.join();
  CHECK(done == kWaits);
}

TEST_CASE("R11: ten thousand coroutines on one io_context, each resumed once per piece") {
  Opened<MemoryDriver> opened;
  asio::io_context io;
  constexpr std::uint64_t kCoroutines = 10000;
  constexpr std::uint64_t kPieces = 3;
  std::uint64_t resumed = 0;
  std::uint64_t finished = 0;
  const auto body = [&](std::uint64_t number) -> asio::awaitable<void> {
    for (std::uint64_t piece = 0; piece < kPieces; ++piece) {
      const std::uint64_t at = piece * kCoroutines + number;
      const auto outcome = co_await async_wait(opened.resource, {at, at + 1}, {}, asio::use_awaitable);
      resumed += outcome == WaitOutcome::ready ? 1 : 0;
    }
    ++finished;
  };
  for (std::uint64_t i = 0; i < kCoroutines; ++i) {
    asio::co_spawn(io, body(i), asio::detached);
  }
  std::thread writing([&] {
    for (std::uint64_t at = 0; at < kCoroutines * kPieces; at += 500) {
      (void)opened.write({at, at + 500});
    }
  });
  (void)io.run();
  writing.join();
  CHECK(resumed == kCoroutines * kPieces);
  CHECK(finished == kCoroutines);
  CHECK(opened.resource.stats().parked == 0);
}
