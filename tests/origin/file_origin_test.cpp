// What is special about files: special files, links, spellings, and others who write to them. The rest of what a
// FileOrigin promises, conformance_test.cpp checks.
#include <strandline/origin/file_origin.h>

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <tests/origin/conformance.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>

namespace strandline::origin::conformance {
namespace {

namespace fs = std::filesystem;
using testing::make_file;

class Files final : public Subject {
 public:
  explicit Files(FileOriginOptions options = {}) {
    fs::create_directory(root());
    options.root = root();
    origin_ = FileOrigin::open(std::move(options)).value();
  }
  [[nodiscard]] Origin& origin() override { return *origin_; }
  void end_origin() override { origin_.reset(); }
  [[nodiscard]] fs::path root() const { return scratch_ / "root"; }
  // Beside the root, not below it.
  [[nodiscard]] fs::path outside() const { return scratch_ / "outside"; }

 private:
  testing::ScratchDir scratch_;
  std::unique_ptr<FileOrigin> origin_;
};

// Of the whole system.
class AllFiles final : public Subject {
 public:
  [[nodiscard]] Origin& origin() override { return *origin_; }
  void end_origin() override { origin_.reset(); }

 private:
  std::unique_ptr<FileOrigin> origin_ = FileOrigin::open({}).value();
};

// Sets a time of change that the file never had, whatever the clock's tick.
void touch(const fs::path& path) {
  struct ::timespec times[2] = {{0, UTIME_OMIT}, {1'000'000'000, 1}};
  REQUIRE(::utimensat(AT_FDCWD, path.c_str(), times, 0) == 0);
}

std::vector<std::string> listed(Calls& calls, const std::string& prefix = {}) {
  const auto page = calls.list({prefix, {}, 1'000});
  std::vector<std::string> keys;
  for (const auto& item : page.value().items) {
    keys.push_back(item.key);
  }
  return keys;
}
using Keys = std::vector<std::string>;

// What a write calls its file until that is done.
struct Name {
  std::string name;
  unsigned long number = 0;
  // The same of another write.
  [[nodiscard]] std::string with(unsigned long other) const {
    char text[32];
    std::snprintf(text, sizeof text, "-%lx.tmp", other);
    return name.substr(0, name.rfind('-')) + text;
  }
};
Name name_of_write(Calls& calls, const std::string& root) {
  const int watch = ::inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
  REQUIRE(::inotify_add_watch(watch, root.c_str(), IN_CREATE) >= 0);
  REQUIRE(says(calls.write("watched", Bytes(5))) == "ok");
  alignas(struct ::inotify_event) char events[4'096];
  const auto size = ::read(watch, events, sizeof events);
  ::close(watch);
  REQUIRE(size > 0);
  const std::string name = reinterpret_cast<const struct ::inotify_event*>(events)->name;
  REQUIRE(says(calls.remove("watched")) == "ok");
  return {name, std::strtoul(name.c_str() + name.rfind('-') + 1, nullptr, 16)};
}

std::string outcome(Calls& calls, const std::string& key, ByteRange range = {0, kMaxOffset}) {
  const auto reading = calls.reading(range);
  calls.start(reading, key);
  return reading->wait();
}

}  // namespace

TEST_CASE("file origin: options that make no sense, and roots that are none") {
  const testing::ScratchDir scratch;
  make_file(scratch / "file", 5);
  const auto code = [](FileOriginOptions options) {
    const auto opened = FileOrigin::open(std::move(options));
    return opened ? "ok" : std::string(to_string(opened.error().code));
  };
  CHECK(code({.root = scratch.path(), .threads = 0}) == "invalid_argument");
  CHECK(code({.root = scratch.path(), .threads = 65}) == "invalid_argument");
  CHECK(code({.root = scratch / "absent"}) == "not_found");
  CHECK(code({.root = scratch / "file"}) == "not_found");
  CHECK(code({.root = std::string("/tmp\0/x", 7)}) == "invalid_argument");
  CHECK(code({.root = scratch.path(), .threads = 64}) == "ok");
}

TEST_CASE("file origin: a weak validator of size, time and inode") {
  Files files;
  Calls calls(files);
  make_file(files.root() / "object", 1'234);
  touch(files.root() / "object");
  struct ::stat facts {};
  REQUIRE(::stat((files.root() / "object").c_str(), &facts) == 0);
  const auto told = calls.stat("object");
  REQUIRE(says(told) == "ok");
  CHECK(told->validator.kind == Validator::Kind::weak);
  CHECK(told->validator.value == "1234-1000000000000000001-" + std::to_string(facts.st_ino));
  CHECK(told->accepts_ranges);
}

TEST_CASE("file origin: when a file was changed, in whole seconds that have passed; and it is to be asked again") {
  Files files;
  Calls calls(files);
  make_file(files.root() / "object", 10);
  const auto told = [&](::time_t changed) {
    const struct ::timespec times[2] = {{0, UTIME_OMIT}, {changed, 999'999'999}};
    REQUIRE(::utimensat(AT_FDCWD, (files.root() / "object").c_str(), times, 0) == 0);
    return calls.stat("object").value().caching;
  };
  CHECK(told(1'000'000'000).last_modified == "Sun, 09 Sep 2001 01:46:40 GMT");
  CHECK(told(1'000'000'000).cache_control == "max-age=0");
  CHECK(told(1'000'000'000).date.empty());  // with which it would be a strong validator
  CHECK(told(0).last_modified == "Thu, 01 Jan 1970 00:00:00 GMT");
  // What may be changed again within that second, or is of the future, or of before all dates.
  CHECK(told(::time(nullptr)).last_modified.empty());
  CHECK(told(::time(nullptr) + 100'000).last_modified.empty());
  CHECK(told(-100).last_modified.empty());
}

TEST_CASE("file origin: what no file is called is not_found") {
  Files files;
  Calls calls(files);
  make_file(files.root() / "file", 10);
  const std::string longest(255, 'x');
  for (const std::string& key : std::vector{longest + "x", longest + "x/y", std::string("file/below/it")}) {
    CAPTURE(key);
    CHECK(says(calls.stat(key)) == "not_found");
    CHECK(outcome(calls, key) == "not_found");
  }
  CHECK(says(calls.stat(longest)) == "not_found");
  CHECK(says(calls.write(longest, Bytes(5))) == "ok");
  CHECK(says(calls.stat(longest)) == "ok");
  CHECK(says(calls.write(longest + "x", Bytes(5))) == "invalid_argument");
}

TEST_CASE("file origin: what is no regular file is not_found, and never waited for") {
  Files files;
  Calls calls(files);
  const std::string root = files.root();
  REQUIRE(::mkfifo((root + "/fifo").c_str(), 0600) == 0);
  fs::create_directory(root + "/folder");
  const int socket = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct ::sockaddr_un address {};
  address.sun_family = AF_UNIX;
  (root + "/socket").copy(address.sun_path, sizeof address.sun_path - 1);
  REQUIRE(::bind(socket, reinterpret_cast<struct ::sockaddr*>(&address), sizeof address) == 0);
  for (const std::string name : {"fifo", "socket", "folder"}) {
    CAPTURE(name);
    CHECK(outcome(calls, name) == "not_found");
    const auto told = calls.stat(name);
    REQUIRE(says(told) == "not_found");
    CHECK(told.error().error.context.find(name) != std::string::npos);
    CHECK_FALSE(told.error().may_pass);
    CHECK(says(calls.write(name, bytes_for(0, 5))) == "unsupported");
    CHECK(says(calls.remove(name)) == (name == "folder" ? "ok" : "unsupported"));
    CHECK(fs::exists(root + "/" + name));
  }
  CHECK(listed(calls).empty());
  ::close(socket);
}

TEST_CASE("file origin: the whole system: devices, and files that do not say their size") {
  AllFiles files;
  Calls calls(files);
  CHECK(outcome(calls, "/dev/null") == "not_found");
  CHECK(outcome(calls, "/dev/zero") == "not_found");
  CHECK(outcome(calls, "/proc/self/stat") == "unsupported");
  CHECK(outcome(calls, "/proc/self/exe", {1, 4}) == "ok");  // a link, and followed
  CHECK(outcome(calls, "relative") == "invalid_argument");
  CHECK(outcome(calls, std::string("/nul\0", 5)) == "invalid_argument");
  CHECK(outcome(calls, "/") == "invalid_argument");
  CHECK(outcome(calls, "") == "invalid_argument");
  CHECK(says(calls.write("/dev/null", bytes_for(0, 5))) == "unsupported");
  CHECK(listed(calls, "relative").empty());
  const testing::ScratchDir scratch;
  make_file(scratch / "a", 1);
  CHECK(listed(calls, scratch.path().native() + "/") == Keys{scratch / "a"});
  CHECK(outcome(calls, scratch.path().native() + "//./../" + scratch.path().filename().native() + "/a") == "ok");
}

TEST_CASE("file origin: a file that others write to while it is read is changed, and shows no byte of the new one") {
  // What happens after the first piece.
  const std::vector<std::pair<std::string, std::function<void(const std::string&)>>> happenings = {
      {"appended to", [](const std::string& path) { std::ofstream(path, std::ios::app) << "more"; }},
      {"cut short", [](const std::string& path) { fs::resize_file(path, 1'500'000); }},
      {"cut to what was read", [](const std::string& path) { fs::resize_file(path, 1 << 20); }},
      {"cut to nothing", [](const std::string& path) { fs::resize_file(path, 0); }},
      {"overwritten in place",
       [](const std::string& path) {
         std::fstream(path, std::ios::in | std::ios::out | std::ios::binary)
             .write(std::string(kSize, 'x').data(), kSize);
         touch(path);
       }},
  };
  for (const auto& happening : happenings) {
    const std::string name = happening.first;
    CAPTURE(name);
    Files files;
    Calls calls(files);
    calls.put("object", large());
    const auto reading = calls.reading();
    reading->on_bytes = [&, first = true]() mutable -> Result<void> {
      if (std::exchange(first, false)) {
        happening.second(files.root() / "object");
      }
      return {};
    };
    calls.start(reading, "object");
    REQUIRE(reading->wait() == "changed");
    CHECK_FALSE(reading->failure().may_pass);
    const Bytes got = reading->bytes();
    CHECK(got.size() < kSize);
    CHECK(std::equal(got.begin(), got.end(), large().begin()));
  }
}

TEST_CASE("file origin: a file that is replaced, or removed, while it is read is read to its end") {
  Files files;
  Calls calls(files);
  for (const bool replaced : {true, false}) {
    calls.put("object", large());
    make_file(files.root() / "next", 10, 7);
    const auto reading = calls.reading();
    reading->on_begin = [&]() -> Result<void> {
      replaced ? fs::rename(files.root() / "next", files.root() / "object") : void(fs::remove(files.root() / "object"));
      return {};
    };
    calls.start(reading, "object");
    CHECK(reading->wait() == "ok");
    CHECK(compare(*reading, large()) == "ok");
  }
}

TEST_CASE("file origin: sparse files") {
  Files files;
  Calls calls(files);
  constexpr std::uint64_t kFar = std::uint64_t{1} << 40;
  { std::ofstream(files.root() / "sparse") << "data"; }
  fs::resize_file(files.root() / "sparse", kFar);
  CHECK(calls.size("sparse").value() == kFar);
  const auto reading = calls.reading({kFar - 3'000'000, kMaxOffset});
  calls.start(reading, "sparse");
  CHECK(reading->wait() == "ok");
  CHECK(reading->bytes() == Bytes(3'000'000));
}

TEST_CASE("file origin: a file and a folder cannot have one name") {
  Files files;
  Calls calls(files);
  const Bytes content = bytes_for(0, 100);
  calls.put("a", content);
  calls.put("f/b", content);
  for (const char* const key : {"a/b", "a/b/c", "f"}) {
    CAPTURE(key);
    const auto written = calls.write(key, content);
    REQUIRE(says(written) == "unsupported");
    CHECK(written.error().error.context.find(key) != std::string::npos);
  }
  CHECK(listed(calls) == Keys{"a", "f/b"});
}

TEST_CASE("file origin: no write leaves anything but its file, and what a killed one left is no object") {
  Files files({.root = {}, .threads = 2, .durable = true});
  Calls calls(files);
  const std::string root = files.root();
  // What this process would call its next writes, as a process of the same number has left it.
  const Name first = name_of_write(calls, root);
  CHECK(first.name.starts_with(".strandline-"));
  for (unsigned long i = 1; i <= 20; ++i) {
    make_file(root + "/" + first.with(first.number + i), 3);
  }
  const Bytes content = bytes_for(0, 3'000);
  CHECK(says(calls.write("folder/below/object", content)) == "ok");
  CHECK(says(calls.write("object", content)) == "ok");
  CHECK(says(calls.write("object", content, {}, true)) == "changed");
  CHECK(says(calls.write("object", content, {Validator::Kind::weak, "other"})) == "changed");
  CHECK(says(calls.remove("object")) == "ok");
  CHECK(listed(calls) == Keys{"folder/below/object"});
  const auto count = std::distance(fs::directory_iterator(root), fs::directory_iterator());
  CHECK(count == 21);
  const std::string left = ".strandline-" + std::to_string(::getpid()) + "-0.tmp";
  CHECK(says(calls.stat(left)) == "invalid_argument");
  CHECK(says(calls.write(left, content)) == "invalid_argument");
  CHECK(says(calls.write("folder/" + left + "/object", content)) == "invalid_argument");
}

TEST_CASE("file origin: list takes links to files, enters none, and passes over what is no object") {
  Files files;
  Calls calls(files);
  const fs::path root = files.root();
  make_file(files.outside(), 10);
  for (const char* const key : {"a", "folder/b"}) {
    calls.put(key, bytes_for(0, 5));
  }
  fs::create_symlink("../a", root / "folder/inside");
  fs::create_symlink("folder", root / "to_folder");
  fs::create_symlink("..", root / "folder/up");
  fs::create_symlink("absent", root / "dangling");
  fs::create_symlink("loop", root / "loop");
  fs::create_symlink("../outside", root / "out");
  fs::create_symlink(root / "a", root / "absolute");  // openat2 takes no absolute link for one that stays inside
  fs::create_directory(root / "empty");
  CHECK(listed(calls) == Keys{"a", "folder/b", "folder/inside"});
  CHECK(listed(calls, "folder/") == Keys{"folder/b", "folder/inside"});
  CHECK(listed(calls, "to_folder/") == Keys{"to_folder/b", "to_folder/inside"});
  for (const char* const prefix : {"/", "../", "./", "folder//", "folder/../", "/etc/", "folder/b/"}) {
    CAPTURE(prefix);
    CHECK(listed(calls, prefix).empty());
  }
  CHECK(says(calls.list({"", "", 0})) == "invalid_argument");
}

TEST_CASE("file origin: never more callbacks at once than threads, and a rate is not passed") {
  Files files({.root = {}, .threads = 3});
  Calls calls(files);
  calls.put("object", large());
  std::atomic<int> inside{0}, most{0};
  std::vector<std::shared_ptr<Reading>> readings;
  for (int i = 0; i < 30; ++i) {
    readings.push_back(calls.reading());
    readings.back()->on_bytes = [&]() -> Result<void> {
      const int now = inside.fetch_add(1) + 1;
      int seen = most.load();
      while (now > seen && !most.compare_exchange_weak(seen, now)) {
      }
      std::this_thread::yield();
      inside.fetch_sub(1);
      return {};
    };
    calls.start(readings.back(), "object");
  }
  for (const auto& reading : readings) {
    CHECK(reading->wait() == "ok");
  }
  CHECK(most.load() >= 1);
  CHECK(most.load() <= 3);

  const auto slow = calls.reading({0, 50'000});
  const auto start = std::chrono::steady_clock::now();
  calls.start(slow, "object", {}, {}, 1'000'000);
  CHECK(slow->wait() == "ok");
  CHECK(compare(*slow, large()) == "ok");
  CHECK(std::chrono::steady_clock::now() - start >= std::chrono::milliseconds(49));  // never less, however busy
}

TEST_CASE("file origin: goes on below the folder that it opened when that is renamed") {
  Files files;
  Calls calls(files);
  calls.put("object", bytes_for(0, 10));
  fs::rename(files.root(), files.outside());
  CHECK(calls.read("object", bytes_for(0, 10)) == "ok");
  CHECK(says(calls.write("other", bytes_for(0, 5))) == "ok");
  CHECK(fs::exists(files.outside() / "other"));
}

}  // namespace strandline::origin::conformance
