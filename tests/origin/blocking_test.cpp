// The calls for a thread that waits, over origins that answer at once, on other threads, and oddly.
#include <strandline/origin/blocking.h>
#include <strandline/origin/file_origin.h>
#include <strandline/origin/memory_origin.h>

#include <doctest/doctest.h>
#include <tests/origin/reading.h>
#include <tests/support/failing_new.h>

#include <algorithm>

namespace strandline::origin {
namespace {

constexpr std::size_t kPlenty = 100'000'000;

Outcome<ObjectInfo> put(Origin& origin, const std::string& key, const Bytes& content, Validator if_match = {}) {
  WriteRequest request;
  request.key = key;
  request.content = content;
  request.if_match = std::move(if_match);
  return blocking::write(origin, std::move(request));
}

ReadRequest reading_of(const std::string& key, ByteRange range = {0, kMaxOffset}, Validator if_match = {}) {
  ReadRequest request;
  request.key = key;
  request.range = range;
  request.if_match = std::move(if_match);
  return request;
}

// Hands over one object from its beginning, whatever it is asked; says what it is told to say about it.
class Stubborn final : public Origin {
 public:
  ObjectInfo info;
  Bytes content;
  ListPage page;

  [[nodiscard]] std::string name() const override { return "stubborn"; }
  void stat(std::string, Reply<ObjectInfo> reply, std::stop_token) noexcept override { reply(info); }
  void read(ReadRequest request, std::shared_ptr<Sink> sink, std::stop_token) noexcept override {
    auto begun = sink->begin(info, 0);
    const std::span<const std::byte> all(content);
    const auto end = std::min<std::uint64_t>(request.range.end, all.size());
    for (std::uint64_t at = 0; begun && at < end; at += std::min<std::uint64_t>(700, end - at)) {
      begun = sink->bytes(at, all.subspan(at, std::min<std::uint64_t>(700, end - at)));
    }
    sink->end(begun ? Outcome<void>() : tl::unexpected(Failure{std::move(begun.error())}));
  }
  void list(ListRequest, Reply<ListPage> reply, std::stop_token) noexcept override { reply(page); }
};

}  // namespace

TEST_CASE("blocking: the calls, whichever thread the answer comes on") {
  const testing::ScratchDir scratch;
  const auto file = FileOrigin::open({.root = scratch.path()}).value();
  MemoryOrigin memory;
  for (Origin* const origin : {static_cast<Origin*>(&memory), static_cast<Origin*>(file.get())}) {
    CAPTURE(origin->name());
    const Bytes content = bytes_for(0, 3'000'000);
    const auto written = put(*origin, "folder/object", content);
    REQUIRE(says(written) == "ok");
    CHECK(blocking::stat(*origin, "folder/object").value().validator == written->validator);
    CHECK(blocking::size(*origin, "folder/object").value() == content.size());
    CHECK(blocking::exists(*origin, "folder/object").value());
    CHECK_FALSE(blocking::exists(*origin, "absent").value());
    CHECK(says(blocking::stat(*origin, "absent")) == "not_found");
    CHECK(says(blocking::size(*origin, "absent")) == "not_found");

    const auto whole = blocking::read(*origin, reading_of("folder/object"), kPlenty);
    REQUIRE(says(whole) == "ok");
    CHECK(whole->bytes == content);
    CHECK(whole->object.validator == written->validator);
    const auto part = blocking::read(*origin, reading_of("folder/object", {2'999'990, 4'000'000}), 10);
    REQUIRE(says(part) == "ok");
    CHECK(part->bytes == bytes_for(2'999'990, 10));
    CHECK(says(blocking::read(*origin, reading_of("folder/object", {2'999'990, 4'000'000}), 9)) == "too_large");
    CHECK(says(blocking::read(*origin, reading_of("folder/object", {3'000'000, 4'000'000}), 9)) == "invalid_range");
    CHECK(says(blocking::read(*origin, reading_of("absent"), kPlenty)) == "not_found");
    const Validator other{Validator::Kind::weak, "other"};
    CHECK(says(blocking::read(*origin, reading_of("folder/object", {0, 5}, other), 5)) == "changed");
    CHECK(says(put(*origin, "folder/object", content, other)) == "changed");

    for (int i = 0; i < 30; ++i) {
      REQUIRE(says(put(*origin, "many/" + std::to_string(i), Bytes())) == "ok");
    }
    CHECK(blocking::list(*origin, "many/").value().size() == 30);
    CHECK(blocking::list(*origin, "").value().size() == 31);
    CHECK(says(blocking::remove(*origin, "folder/object")) == "ok");
    CHECK(blocking::list(*origin, "folder").value().empty());

    std::stop_source source;
    source.request_stop();
    const auto stop = source.get_token();
    CHECK(says(blocking::stat(*origin, "many/1", stop)) == "interrupted");
    CHECK(says(blocking::read(*origin, reading_of("many/1"), kPlenty, stop)) == "interrupted");
    CHECK(says(blocking::remove(*origin, "many/1", stop)) == "interrupted");
    CHECK(says(blocking::list(*origin, "", stop)) == "interrupted");
    CHECK(says(blocking::exists(*origin, "many/1", stop)) == "interrupted");
  }
}

TEST_CASE("blocking: more keys than a page has") {
  MemoryOrigin origin;
  for (int i = 0; i < 25'001; ++i) {
    REQUIRE(says(put(origin, std::to_string(i), Bytes())) == "ok");
  }
  const auto all = blocking::list(origin, "");
  REQUIRE(says(all) == "ok");
  CHECK(all->size() == 25'001);
  CHECK(std::is_sorted(all->begin(), all->end(), [](const auto& a, const auto& b) { return a.key < b.key; }));
}

TEST_CASE("blocking: from an origin that begins at 0, does not say its size, and tells no versions apart") {
  Stubborn origin;
  origin.content = bytes_for(0, 10'000);
  for (const ByteRange range : {ByteRange{0, kMaxOffset}, ByteRange{1, 2}, ByteRange{699, 701}, ByteRange{700, 1'400},
                                ByteRange{9'999, 10'000}, ByteRange{3'000, 20'000}}) {
    CAPTURE(to_string(range));
    const std::uint64_t size = std::min<std::uint64_t>(range.end, 10'000) - range.begin;
    const auto content = blocking::read(origin, reading_of("key", range), size);
    REQUIRE(says(content) == "ok");
    CHECK(content->bytes == bytes_for(range.begin, size));
    CHECK(says(blocking::read(origin, reading_of("key", range), size - 1)) == "too_large");
  }
  CHECK(says(blocking::size(origin, "key")) == "unsupported");
  CHECK(says(put(origin, "key", Bytes())) == "unsupported");
  CHECK(says(blocking::remove(origin, "key")) == "unsupported");

  origin.info.validator = {Validator::Kind::weak, "this"};
  CHECK(says(blocking::read(origin, reading_of("key", {0, 5}, {Validator::Kind::weak, "this"}), 5)) == "ok");
  CHECK(says(blocking::read(origin, reading_of("key", {0, 5}, {Validator::Kind::weak, "that"}), 5)) == "changed");
  // More than it said, and pages that never end.
  origin.info.size = 5;
  CHECK(says(blocking::read(origin, reading_of("key"), 5)) == "too_large");
  origin.page.next = "here again";
  CHECK(says(blocking::list(origin, "")) == "corrupt");
}

TEST_CASE("blocking: F18: the k-th allocation fails in every call") {
  MemoryOrigin origin;
  const Bytes content = bytes_for(0, 5'000);
  REQUIRE(says(put(origin, "a key of more than a few letters", content)) == "ok");
  const auto walk = [](const char* name, auto call) {
    testing::for_each_failing_allocation([&](std::uint64_t k) {
      CAPTURE(name);
      CAPTURE(k);
      Errc code{};
      std::string key = "a key of more than a few letters";
      const testing::FailAllocation scope(k);
      {
        const auto outcome = call(std::move(key));
        code = outcome ? Errc{} : outcome.error().error.code;
      }
      const bool fired = scope.fired();
      const testing::FailAllocation off(0);
      CHECK((code == Errc{} || (fired && code == Errc::no_memory)));
      return fired;
    });
  };
  walk("stat", [&](std::string key) { return blocking::stat(origin, std::move(key)); });
  walk("exists", [&](std::string key) { return blocking::exists(origin, std::move(key)); });
  walk("size", [&](std::string key) { return blocking::size(origin, std::move(key)); });
  walk("list", [&](std::string key) { return blocking::list(origin, std::move(key)); });
  walk("read", [&](std::string key) {
    ReadRequest request;
    request.key = std::move(key);
    return blocking::read(origin, std::move(request), kPlenty);
  });
  walk("write", [&](std::string key) {
    WriteRequest request;
    request.key = std::move(key);
    request.content = content;
    return blocking::write(origin, std::move(request));
  });
  // FileOrigin's own part: a call that finds no memory for its job is answered at once. Its threads have memory.
  const testing::ScratchDir scratch;
  const auto files = FileOrigin::open({.root = scratch.path(), .threads = 1}).value();
  REQUIRE(says(put(*files, "a key of more than a few letters", content)) == "ok");
  walk("file stat", [&](std::string key) { return blocking::stat(*files, std::move(key)); });
  walk("file exists", [&](std::string key) { return blocking::exists(*files, std::move(key)); });
  walk("file list", [&](std::string key) { return blocking::list(*files, std::move(key)); });
  walk("file read", [&](std::string key) {
    ReadRequest request;
    request.key = std::move(key);
    return blocking::read(*files, std::move(request), kPlenty);
  });
}

}  // namespace strandline::origin
