// A player as a coroutine: it shows a film while another thread brings it in, back to front, and no thread waits.
#include <strandline/async/asio.h>
#include <strandline/drivers/memory.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <exception>
#include <string>
#include <thread>
#include <utility>

using namespace strandline;
namespace asio = boost::asio;

// Waits for the next 16 bytes, shows them, and so on to the end. Errors come as exceptions, as in all of Asio.
asio::awaitable<void> play(Resource<MemoryDriver> film) {
  std::array<std::byte, 16> part{};
  for (std::uint64_t at = 0;;) {
    const auto range = ByteRange{at, at + part.size()};
    const auto outcome = co_await async_wait(film, range, {}, asio::use_awaitable);
    if (outcome == WaitOutcome::eof) {
      co_return;
    }
    const auto count = film.read_at(at, part).value();
    std::fwrite(part.data(), 1, count, stdout);
    at += count;
  }
}

int main() {
  auto film = Resource<MemoryDriver>::open({}).value();
  auto writer = film.writer().value();

  asio::io_context io;
  bool played = false;
  bool complete = false;
  asio::co_spawn(io, play(film), [&](std::exception_ptr error) { played = !error; });

  // It owns the writer: should it give up, the writer goes with it, which ends the player's wait.
  std::thread producer([&complete, writer = std::move(writer)]() mutable {
    const std::string text = "what is played is what has arrived, and what has not is waited for\n";
    const auto bytes = std::as_bytes(std::span(text));
    if (!writer.set_length(bytes.size())) return;
    for (std::size_t end = bytes.size(); end > 0;) {
      const std::size_t begin = end - std::min<std::size_t>(end, 10);
      std::this_thread::sleep_for(std::chrono::milliseconds(1));  // a slow line
      if (!writer.write_at(begin, bytes.subspan(begin, end - begin))) return;
      end = begin;
    }
    complete = writer.commit().has_value();
  });
  io.run();  // returns when the player has finished: its wait counts as work
  producer.join();
  return played && complete ? 0 : 1;
}
