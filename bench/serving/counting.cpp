// B25: what the range server's counting costs a request that finds all of it here: the calls of one request of 64 KiB,
// in the order in which a session makes them, beside the least that sending the bytes takes.
#include <bench/measure.h>
#include <bench/support/scene.h>
#include <strandline/serve/traffic/reader.h>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>

namespace {

using namespace strandline;
using namespace strandline::bench;
using serve::Reader;
using serve::Reading;
using serve::Traffic;

constexpr std::uint64_t kBytes = 64 * kKiB;
constexpr int kStatus = 206;
constexpr const char* kEntry = "http://127.0.0.1:8080/films/a.mp4";

// As Session and Body count a request of which every byte is here: all but the last go at once.
void count_one(Reader& reader, const Resource<MemoryDriver>& resource) {
  const auto opened = std::chrono::steady_clock::time_point();  // long ago
  reader.asks();
  {
    const Reading reading(reader, kEntry, resource, {0, kBytes}, opened);
    reader.sent(kBytes - 1);
    reader.sent(1);
  }
  reader.answered(kStatus);
}

// A socket whose other end is read by this thread, and a file of what is sent.
class Sending {
 public:
  Sending() : file_(::memfd_create("bench", MFD_CLOEXEC)) {
    must(file_ >= 0 && ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends_.data()) == 0, "a socket");
    const int room = 4 * static_cast<int>(kBytes);
    must(::setsockopt(ends_[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof room) == 0, "SO_SNDBUF");
    must(::write(file_, bytes_.data(), bytes_.size()) == static_cast<::ssize_t>(kBytes), "a file");
  }
  Sending(const Sending&) = delete;
  Sending& operator=(const Sending&) = delete;
  ~Sending() {
    ::close(ends_[0]);
    ::close(ends_[1]);
    ::close(file_);
  }

  void send() {
    ::off_t at = 0;
    while (at < static_cast<::off_t>(kBytes)) {
      must(::sendfile(ends_[0], file_, &at, kBytes - static_cast<std::uint64_t>(at)) > 0, "sendfile");
    }
  }
  void drain() {
    for (std::uint64_t got = 0; got < kBytes;) {
      const ::ssize_t count = ::read(ends_[1], bytes_.data(), bytes_.size());
      must(count > 0, "read");
      got += static_cast<std::uint64_t>(count);
    }
  }

 private:
  std::array<int, 2> ends_{};
  const int file_;
  std::vector<std::byte> bytes_ = random_bytes(kBytes);
};

void b25(const Context& context) {
  InMemory content;
  content.fill({0, kMiB});
  InMemory other_content;
  other_content.fill({0, kMiB});
  const auto traffic = std::make_shared<Traffic>();
  const auto reader = traffic->add_reader("127.0.0.1:50000");
  const std::size_t counted = context.scaled(200'000, 1000);
  const std::size_t sent = context.scaled(2000, 20);
  const Bystander bystander;
  Sending sending;

  const auto counting = [&] {
    const double took = timed(Clock::thread_cpu, [&] {
      for (std::size_t i = 0; i < counted; ++i) {
        count_one(*reader, content.resource);
      }
    });
    return took / static_cast<double>(counted);
  };
  const auto least = [&] {
    double took = 0;
    for (std::size_t i = 0; i < sent; ++i) {
      took += timed(Clock::thread_cpu, [&] { sending.send(); });
      sending.drain();
    }
    return took / static_cast<double>(sent);
  };
  report("B25", "the counting of a request of 64 KiB", "ns", 1e9, interleaved(context, counting, least),
         "sendfile(2) of it to a socket", std::nullopt);

  // What another thread counts into the same Traffic must not be noticed; its looks at the same object may be.
  const auto beside = [&](const Resource<MemoryDriver>& object) {
    std::atomic<bool> over{false};
    std::atomic<bool> running{false};
    std::jthread other([&] {
      const auto theirs = traffic->add_reader("127.0.0.1:50001");
      while (!over.load(std::memory_order_relaxed)) {
        count_one(*theirs, object);
        running.store(true, std::memory_order_release);
      }
    });
    while (!running.load(std::memory_order_acquire)) {
      std::this_thread::yield();
    }
    const double took = counting();
    over.store(true, std::memory_order_relaxed);
    return took;
  };
  report("B25", "the same while another thread counts", "ns", 1e9,
         interleaved(
             context, [&] { return beside(other_content.resource); }, counting),
         "alone", std::nullopt);
  report("B25", "the same, both of one object", "ns", 1e9,
         interleaved(
             context, [&] { return beside(content.resource); }, counting),
         "alone", std::nullopt);
}

}  // namespace

int main(int argc, char** argv) {
  return run(argc, argv, {{"B25", b25}});
}
