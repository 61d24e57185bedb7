// The calls of a FileOrigin on the test's own thread, so that memory, descriptors and rights can run out in them.
#include <strandline/origin/file/read_job.h>

#include <doctest/doctest.h>
#include <sys/resource.h>
#include <tests/origin/reading.h>
#include <tests/support/failing_new.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <filesystem>

namespace strandline::origin::file {
namespace {

namespace fs = std::filesystem;
using testing::FailAllocation;
using testing::for_each_failing_allocation;
using testing::make_file;
using testing::ScratchDir;

const Ending kNever{std::stop_token()};

FileTree tree_of(const ScratchDir& scratch, Links links = Links::resolved) {
  return {Place::open(scratch.path(), links).value(), false};
}

Outcome<ObjectInfo> write(FileTree& tree, const std::string& key, const Bytes& content, bool if_absent = false) {
  WriteRequest request;
  request.key = key;
  request.content = content;
  request.if_absent = if_absent;
  return tree.write(request, kNever);
}

std::string read(FileTree& tree, const std::string& key, const std::shared_ptr<Reading>& reading, Scratch& scratch) {
  ReadRequest request;
  request.key = key;
  ReadJob job(tree, std::move(request), reading, kNever, nullptr);
  while (job.step(scratch)) {
  }
  return reading->wait();
}

}  // namespace

TEST_CASE("file origin: no link leads out of the root, by openat2 and without") {
  for (const Links links : {Links::resolved, Links::refused}) {
    const bool resolved = links == Links::resolved;
    CAPTURE(resolved);
    const ScratchDir outer;
    fs::create_directories(outer / "root/folder/deep");
    make_file(outer / "outside", 10);
    fs::create_directory(outer / "other");
    const fs::path root = outer / "root";
    make_file(root / "a", 5);
    make_file(root / "folder/b", 5);
    fs::create_symlink("../a", root / "folder/link");
    fs::create_symlink("folder/deep/..", root / "folders");
    fs::create_symlink("../outside", root / "out");
    fs::create_symlink(outer / "outside", root / "absolute");
    fs::create_symlink("..", root / "up");
    fs::create_symlink("folder/../../outside", root / "round");
    fs::create_symlink("/proc/self/root", root / "magic");
    fs::create_symlink("absent", root / "dangling");
    fs::create_symlink("loop", root / "loop");
    FileTree tree(Place::open(root, links).value(), false);

    CHECK(says(tree.stat("a")) == "ok");
    CHECK(says(tree.stat("folder/b")) == "ok");
    CHECK(says(tree.stat("folder/link")) == (resolved ? "ok" : "permission_denied"));
    CHECK(says(tree.stat("folders/b")) == (resolved ? "ok" : "permission_denied"));
    CHECK(says(tree.stat("dangling")) == (resolved ? "not_found" : "permission_denied"));
    CHECK(says(tree.stat("loop")) == (resolved ? "io" : "permission_denied"));
    CHECK(says(tree.stat("a/b")) == "not_found");
    CHECK(says(tree.stat("folder")) == "not_found");
    const Bytes content = bytes_for(0, 7);
    for (const char* const key : {"out", "absolute", "up/outside", "round", "magic/etc/passwd", "up/root/a"}) {
      CAPTURE(key);
      CHECK(says(tree.stat(key)) == "permission_denied");
      CHECK(says(tree.open(key)) == "permission_denied");
    }
    for (const char* const key : {"up/made", "up/other/made", "up/other/new/made", "magic/tmp/made"}) {
      CAPTURE(key);
      CHECK(says(write(tree, key, content)) == "permission_denied");
      CHECK(says(tree.remove(key, kNever)) == "permission_denied");
    }
    CHECK(says(tree.remove("up/outside", kNever)) == "permission_denied");
    CHECK(fs::is_empty(outer / "other"));
    // The link itself may be replaced and removed; what it led to stays.
    CHECK(says(write(tree, "out", content)) == "ok");
    CHECK(says(tree.remove("absolute", kNever)) == "ok");
    CHECK(testing::file_bytes(outer / "outside") == bytes_for(0, 10));
    CHECK(testing::file_bytes(root / "out") == content);
    CHECK(outer.names() == "other outside root");
  }
}

TEST_CASE("file origin: keys longer than a system call takes, in a tree of 300 levels") {
  for (const Links links : {Links::resolved, Links::refused}) {
    const ScratchDir scratch;
    FileTree tree = tree_of(scratch, links);
    std::string deep;
    for (int i = 0; i < 300; ++i) {
      deep += "a folder of some thirty letters/";
    }
    const Bytes content = bytes_for(0, 100);
    REQUIRE(says(write(tree, deep + "object", content)) == "ok");
    CHECK(says(write(tree, deep + "object", content, true)) == "changed");
    CHECK(says(tree.stat(deep + "object")) == "ok");
    Scratch buffer;
    const auto reading = std::make_shared<Reading>(ByteRange{0, kMaxOffset});
    CHECK(read(tree, deep + "object", reading, buffer) == "ok");
    CHECK(reading->bytes() == content);
    CHECK(says(write(tree, "z", content)) == "ok");
    const auto page = tree.list({}, kNever);
    REQUIRE(says(page) == "ok");
    REQUIRE(page->items.size() == 2);
    CHECK(page->items[0].key == deep + "object");
    CHECK(page->items[0].size == 100);
    CHECK(tree.list({"", deep + "object", 10}, kNever)->items.size() == 1);
    CHECK(says(tree.remove(deep + "object", kNever)) == "ok");
    CHECK(says(tree.stat(deep + "object")) == "not_found");
  }
}

TEST_CASE("file origin: a stop, and an origin that goes, end a write without a trace") {
  const ScratchDir scratch;
  FileTree tree = tree_of(scratch);
  const Bytes content = bytes_for(0, 10);
  WriteRequest request;
  request.key = "object";
  request.content = content;
  std::stop_source source;
  source.request_stop();
  const std::atomic<bool> going{true};
  CHECK(says(tree.write(request, Ending(source.get_token()))) == "interrupted");
  CHECK(says(tree.write(request, Ending({}, &going))) == "cancelled");
  CHECK(says(tree.list({}, Ending(source.get_token()))) == "interrupted");
  CHECK(says(tree.list({}, Ending({}, &going))) == "cancelled");
  CHECK(scratch.names() == "");
}

TEST_CASE("file origin: which failures are worth asking again") {
  for (const int reason : {EIO, ENOENT, EACCES, ENOSPC, EXDEV, ENAMETOOLONG, EINVAL}) {
    CHECK_FALSE(failed(reason, "x", "key").value().may_pass);
  }
  for (const int reason : {EAGAIN, EBUSY, EMFILE, ENFILE, ENOMEM, ESTALE, ETIMEDOUT}) {
    CHECK(failed(reason, "x", "key").value().may_pass);
  }
  CHECK(failed(EIO, "read", "key").value().error.code == Errc::io);
  CHECK(failed(ETIMEDOUT, "read", "key").value().error.code == Errc::timed_out);
  CHECK(failed(EMFILE, "open", "key").value().error.code == Errc::too_many_files);
  CHECK(failed(Error::system(ESTALE, "read", "key")).value().may_pass);
  CHECK_FALSE(failed(Error::system(EIO, "read", "key")).value().may_pass);
}

TEST_CASE("file origin: F18: the k-th allocation fails in every call, and the next try succeeds") {
  const std::int64_t before = testing::live_allocations();
  {
    const ScratchDir scratch;
    FileTree tree = tree_of(scratch);
    const Bytes content = bytes_for(0, 3'000'000);
    const auto walk = [&](const char* name, auto prepare, auto call) {
      for_each_failing_allocation([&](std::uint64_t k) {
        CAPTURE(name);
        CAPTURE(k);
        prepare();
        bool fired = false;
        Errc code{};
        {
          const FailAllocation scope(k);
          const auto outcome = call();
          fired = scope.fired();
          code = outcome ? Errc{} : outcome.error().error.code;
        }
        CHECK((code == Errc{} || (fired && code == Errc::no_memory)));
        prepare();
        CHECK(says(call()) == "ok");
        return fired;
      });
    };
    const std::string key = "a folder with a long name/another folder/and an object in it";
    const auto there = [&] { REQUIRE(says(write(tree, key, content)) == "ok"); };
    const auto absent = [&] { REQUIRE(tree.remove(key, kNever)); };
    const auto new_folders = [&] { fs::remove_all(scratch / "a folder with a long name"); };
    WriteRequest request;
    request.key = key;
    request.content = content;
    walk("stat", there, [&] { return tree.stat(key); });
    walk("write", absent, [&] { return tree.write(request, kNever); });
    walk("write over", there, [&] { return tree.write(request, kNever); });
    walk("write into new folders", new_folders, [&] { return tree.write(request, kNever); });
    walk("remove", there, [&] { return tree.remove(key, kNever); });
    walk("list", there, [&] { return tree.list({}, kNever); });
    // What failed has left nothing.
    CHECK(scratch.names() == "a folder with a long name");
    CHECK(std::distance(fs::directory_iterator(scratch / "a folder with a long name/another folder"), {}) == 1);

    // Reads: their sink is told of every end.
    for_each_failing_allocation([&](std::uint64_t k) {
      CAPTURE(k);
      struct Quiet final : Sink {  // allocates nothing
        Result<void> begin(const ObjectInfo&, std::uint64_t) noexcept override { return {}; }
        Result<void> bytes(std::uint64_t, std::span<const std::byte> data) noexcept override {
          got += data.size();
          return {};
        }
        void end(Outcome<void> outcome) noexcept override {
          ++ends;
          code = outcome ? Errc{} : outcome.error().error.code;
        }
        std::uint64_t got = 0;
        int ends = 0;
        Errc code{};
      };
      const auto sink = std::make_shared<Quiet>();
      Scratch buffer;
      ReadRequest read;
      read.key = key;
      ReadJob job(tree, std::move(read), sink, kNever, nullptr);
      bool fired = false;
      {
        const FailAllocation scope(k);
        while (job.step(buffer)) {
        }
        fired = scope.fired();
      }
      CHECK(sink->ends == 1);
      CHECK((sink->code == Errc{} || (fired && sink->code == Errc::no_memory)));
      CHECK((sink->code != Errc{} || sink->got == content.size()));
      return fired;
    });
  }
  CHECK(testing::live_allocations() == before);
}

TEST_CASE("file origin: without rights, descriptors or room on the disk") {
  const ScratchDir scratch;
  fs::create_directory(scratch / "closed");
  make_file(scratch / "closed/object", 5);
  make_file(scratch / "object", 5);
  fs::permissions(scratch / "closed", fs::perms::none);
  fs::permissions(scratch.path(), fs::perms::all);
  const Bytes content = bytes_for(0, 3'000'000);
  const int code = testing::in_child([&] {
    FileTree tree = tree_of(scratch);
    // A file may grow to 2 MiB, as a disk is full then.
    std::signal(SIGXFSZ, SIG_DFL);
    const struct ::rlimit small = {2 << 20, 2 << 20};
    CHILD_CHECK(::setrlimit(RLIMIT_FSIZE, &small) == 0);
    const auto large = write(tree, "large", content);
    CHILD_CHECK(says(large) == "too_large" && !large.error().may_pass);
    CHILD_CHECK(scratch.names() == "closed object");

    // Not root any more; whoever is not already has what there is to see.
    CHILD_CHECK(::geteuid() != 0 || ::seteuid(65'534) == 0);
    CHILD_CHECK(says(tree.stat("closed/object")) == "permission_denied");
    CHILD_CHECK(says(tree.open("closed/object")) == "permission_denied");
    CHILD_CHECK(says(write(tree, "closed/other", Bytes(5))) == "permission_denied");
    CHILD_CHECK(says(tree.remove("closed/object", kNever)) == "permission_denied");
    CHILD_CHECK(says(tree.list({}, kNever)) == "permission_denied");
    CHILD_CHECK(says(tree.stat("object")) == "ok");

    const struct ::rlimit none = {0, 0};
    CHILD_CHECK(::setrlimit(RLIMIT_NOFILE, &none) == 0);
    const auto open = tree.open("object");
    CHILD_CHECK(says(open) == "too_many_files" && open.error().may_pass);
    CHILD_CHECK(says(tree.list({}, kNever)) == "too_many_files");
    CHILD_CHECK(says(write(tree, "other", Bytes(5))) == "too_many_files");
    return 0;
  });
  CHECK(code == 0);
  fs::permissions(scratch / "closed", fs::perms::all);
}

}  // namespace strandline::origin::file
