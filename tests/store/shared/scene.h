// What the tests of a store share: a directory, entries in few words, and other processes that are told what to do.
// Threads: one. Blocks: on the other process. Errors: a broken expectation is a failed REQUIRE. Cost: none worth
// naming. Lifetime: within one test.
#pragma once

#include <strandline/store/open_store.h>
#include <strandline/store/store.h>
#include <tests/resource/subjects.h>

#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <utility>

namespace strandline::testing {

using store::AcquireOptions;
using store::EntryDriver;
using store::Lease;
using store::Store;
using store::StoreOptions;
using store::Validator;

// A place for a store, and what lies there.
struct StoreScene {
  TempDir directory;
  std::string path = (directory.path() / "store").native();

  [[nodiscard]] Store open(StoreOptions options = {}) const { return required(Store::open(path, std::move(options))); }
  // Of the only entry.
  [[nodiscard]] std::filesystem::path file(const std::string& ending) const {
    for (const auto& found : std::filesystem::recursive_directory_iterator(path + "/entries")) {
      if (found.path().extension() == ending) {
        return found.path();
      }
    }
    REQUIRE_MESSAGE(false, "no file that ends in " << ending);
    return {};
  }
  // Of the lease's entry: what the names of its files begin with.
  [[nodiscard]] std::string files_of(const Lease& lease) const {
    const std::string& name = lease.entry().name();
    return path + "/entries/" + name.substr(0, 2) + "/" + name;
  }
  // What the entries' files take, as the file system has it. Some may go meanwhile.
  [[nodiscard]] std::uint64_t on_disk() const {
    std::uint64_t bytes = 0;
    for (const auto& found : std::filesystem::recursive_directory_iterator(path + "/entries")) {
      struct ::stat facts {};
      if (::stat(found.path().c_str(), &facts) == 0 && S_ISREG(facts.st_mode)) {
        bytes += static_cast<std::uint64_t>(facts.st_blocks) * 512;
      }
    }
    return bytes;
  }
};

inline Validator version(const std::string& value) {
  return {Validator::Kind::strong, value};
}

inline std::string write(Lease& lease, ByteRange range, std::uint64_t generation = 1) {
  return lease.writer() == nullptr ? "no writer" : write_to(*lease.writer(), range, generation);
}
inline std::string read(const Lease& lease, ByteRange range, std::uint64_t generation = 1) {
  return read_back(lease.resource(), range, generation);
}
inline std::string available(const Lease& lease) {
  return says(required(lease.resource().available()));
}
// Everything up to `length`, and the commit.
inline void fill(Lease& lease, std::uint64_t length, std::uint64_t generation = 1) {
  REQUIRE(write(lease, {0, length}, generation) == std::to_string(length));
  REQUIRE(says(lease.writer()->commit(length)) == "ok");
  lease.end_writing();
}

// Without a store, as one who takes the writer and leaves it.
inline void write_and_leave(store::Entry& entry, ByteRange range) {
  auto writer = required(entry.take_writer());
  REQUIRE(writer.has_value());
  REQUIRE(write_to(*writer, range) == std::to_string(range.size()));
  entry.end_writing(std::move(*writer));
}
inline std::string available(const store::Entry& entry) {
  return says(required(entry.resource().available()));
}

// The memory that processes share, mapped twice, as two of them have it.
struct TwoMappings {
  TempDir directory;
  std::string path = (directory.path() / "live").native();
  std::shared_ptr<store::LiveFile> one = first();
  std::shared_ptr<store::LiveFile> two = required(store::LiveFile::open(path));

  [[nodiscard]] std::shared_ptr<store::LiveFile> first() const {
    auto live = required(store::LiveFile::open(path));
    CHECK(live->alone());
    live->share();
    return live;
  }
};

// What reads at random have met, while others evict and write there. By any number of threads; no doctest.
struct RandomReads {
  std::atomic<unsigned> right{0};
  std::atomic<unsigned> missed{0};  // nothing was there
  std::atomic<unsigned> wrong{0};

  // Of `size` bytes below `length`.
  void until(const std::atomic<bool>& over, const Lease& lease, std::uint64_t length, std::size_t size,
             std::uint64_t seed) {
    std::mt19937_64 random(seed);
    std::vector<std::byte> bytes(size);
    while (!over) {
      const std::uint64_t at = random() % (length - size);
      const auto count = lease.resource().read_at(at, bytes);
      if (count) {
        ++(*count == size && bytes == content({at, at + size}) ? right : wrong);
      } else {
        ++(count.error().code == Errc::not_available ? missed : wrong);
      }
    }
  }
};

// Another process, made before this one opens a store, that runs `body` and answers line by line what it says; it can
// be told to go on. Its body must not use doctest.
class Process {
 public:
  class Talk {
   public:
    Talk(int in, int out) : in_(in), out_(out) {}
    void say(const std::string& line) const {
      const std::string text = line + "\n";
      if (::write(out_, text.data(), text.size()) < 0) {
        ::_exit(97);
      }
    }
    // Until the other side says something; "" when it has gone.
    [[nodiscard]] std::string hear() const {
      std::string line;
      for (char letter = 0; ::read(in_, &letter, 1) == 1;) {
        if (letter == '\n') {
          return line;
        }
        line += letter;
      }
      return line;
    }

   private:
    int in_, out_;
  };

  explicit Process(const std::function<void(Talk&)>& body) {
    int to[2];
    int from[2];
    REQUIRE(::pipe(to) == 0);
    REQUIRE(::pipe(from) == 0);
    child_ = ::fork();
    REQUIRE(child_ >= 0);
    if (child_ == 0) {
      ::close(to[1]);
      ::close(from[0]);
      Talk talk(to[0], from[1]);
      try {
        body(talk);
      } catch (...) {
        talk.say("an exception");
      }
      ::_exit(0);
    }
    ::close(to[0]);
    ::close(from[1]);
    to_ = to[1];
    from_ = from[0];
  }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  ~Process() {
    end(SIGKILL);
    ::close(to_);
    ::close(from_);
  }

  [[nodiscard]] std::string hear() const { return Talk(from_, to_).hear(); }
  void say(const std::string& line) const { Talk(from_, to_).say(line); }
  void send(int signal) const { ::kill(child_, signal); }
  void end(int signal) {
    if (child_ > 0) {
      ::kill(child_, SIGCONT);
      ::kill(child_, signal);
      ::waitpid(std::exchange(child_, 0), nullptr, 0);
    }
  }
  // Until it ends by itself.
  int join() {
    int status = 0;
    ::waitpid(std::exchange(child_, 0), &status, 0);
    return status;
  }

 private:
  ::pid_t child_ = 0;
  int to_ = -1;
  int from_ = -1;
};

// For such a body: what goes wrong is said.
template <class T>
T got(const Process::Talk& talk, Result<T> result) {
  if (!result) {
    talk.say("! " + result.error().message());
    ::_exit(1);
  }
  return std::move(*result);
}

}  // namespace strandline::testing
