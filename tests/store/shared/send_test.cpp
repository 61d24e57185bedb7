// Bytes that go from an entry's file into a socket.
#include <tests/store/shared/scene.h>

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <string>

using namespace strandline;
using namespace strandline::store;
using namespace strandline::testing;

namespace {

constexpr std::uint64_t kPiece = 65536;

// Both ends of a stream.
class Pipe {
 public:
  Pipe() { REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends_.data()) == 0); }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  ~Pipe() {
    for (const int end : ends_) {
      ::close(end);
    }
  }
  [[nodiscard]] int in() const { return ends_[0]; }
  // What has been sent and not been taken yet.
  [[nodiscard]] std::vector<std::byte> take() const {
    std::vector<std::byte> all;
    std::array<std::byte, 4096> some{};
    for (;;) {
      const auto count = ::recv(ends_[1], some.data(), some.size(), 0);
      if (count <= 0) {
        return all;
      }
      all.insert(all.end(), some.begin(), some.begin() + count);
    }
  }

 private:
  std::array<int, 2> ends_{};
};

// Two of one name behave as two processes do, but for the thread that follows.
struct SendingPlace {
  TempDir directory;
  std::shared_ptr<LiveFile> live = required(LiveFile::open((directory.path() / "live").native()));

  [[nodiscard]] std::shared_ptr<store::Entry> open() const {
    EntryDriver::Options options;
    options.name = (directory.path() / "entry").native();
    options.key = "key";
    options.signals = Signals(live, "entry");
    return required(store::Entry::open(std::move(options), "entry", 1));
  }
};

}  // namespace

TEST_CASE("send: what is pinned goes into a socket as it is, as much as that takes") {
  const SendingPlace place;
  const auto entry = place.open();
  write_and_leave(*entry, {0, 64 * kPiece});
  REQUIRE(says(entry->pin({100, 64 * kPiece})) == "ok");
  const Pipe pipe;
  std::vector<std::byte> got;
  bool was_full = false;
  for (std::uint64_t at = 100; at < 64 * kPiece;) {
    const std::size_t count = required(entry->send_to(pipe.in(), {at, 64 * kPiece}));
    at += count;
    if (count == 0 || at == 64 * kPiece) {
      was_full = was_full || count == 0;
      const auto some = pipe.take();
      got.insert(got.end(), some.begin(), some.end());
    }
  }
  CHECK(was_full);
  CHECK(got == content({100, 64 * kPiece}));
}

TEST_CASE("send: what is missing does not go, nor what another process has given up") {
  const SendingPlace place;
  const auto here = place.open();
  const auto there = place.open();
  write_and_leave(*there, {0, 4 * kPiece});
  const Pipe pipe;
  CHECK(says(here->send_to(pipe.in(), {0, 10})) == "!not_available");
  REQUIRE(says(here->follow()) == "ok");
  CHECK(says(here->send_to(pipe.in(), {4 * kPiece - 1, 4 * kPiece + 1})) == "!not_available");
  CHECK(pipe.take().empty());
  REQUIRE(says(there->evict({0, kPiece})) == "65536");
  CHECK(says(here->send_to(pipe.in(), {0, 10})) == "!changed");  // not pinned: and the zeros are told apart
  CHECK(says(here->send_to(pipe.in(), {0, 10})) == "!not_available");
  CHECK(pipe.take().size() == 10);
  CHECK(says(here->send_to(pipe.in(), {kPiece, kPiece + 10})) == "10");
}

TEST_CASE("send: what is pinned does not become a hole, though it is found to be bad and given up") {
  const SendingPlace place;
  const auto here = place.open();
  write_and_leave(*here, {0, 4 * kPiece});
  const auto there = place.open();  // which has not looked at any block yet
  const std::string data = (place.directory.path() / "entry.data").native();
  std::fstream(data, std::ios::binary | std::ios::in | std::ios::out).seekp(kPiece + 100).put('\x55').put('\xaa');
  bool pinned = true;
  SUBCASE("by who sends it") {
    REQUIRE(says(here->pin({kPiece, kPiece + 10})) == "ok");
  }
  SUBCASE("by who finds it") {
    REQUIRE(says(there->pin({kPiece, kPiece + 10})) == "ok");
  }
  SUBCASE("unless it is not pinned") {
    pinned = false;
  }
  CHECK(read_back(there->resource(), {kPiece, 2 * kPiece}) == "!not_available");
  const Pipe pipe;
  CHECK(says(here->send_to(pipe.in(), {kPiece, kPiece + 10})) == "!changed");
  CHECK(pipe.take() == (pinned ? content({kPiece, kPiece + 10}) : std::vector<std::byte>(10)));
  // It comes anew, and is content again.
  write_and_leave(*here, {kPiece, 2 * kPiece});
  REQUIRE(says(there->follow()) == "ok");
  CHECK(read_back(there->resource(), {0, 4 * kPiece}) == std::to_string(4 * kPiece));
}

TEST_CASE("send: a socket that has gone is an error, and nothing else") {
  const SendingPlace place;
  const auto entry = place.open();
  write_and_leave(*entry, {0, kPiece});
  CHECK(says(entry->send_to(-1, {0, 10})) == "!io");
  CHECK(read_back(entry->resource(), {0, kPiece}) == "65536");
}
