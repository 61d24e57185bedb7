// What the tests of HttpOrigin share: a read and a stat that are waited for, and what they brought.
// Threads: the sink is the origin's thread's until the end was told. Blocks: finish(), until then: a test that hangs
// has found something. Errors: broken promises of the seam fail the test. Cost: a copy of the bytes. Lifetime: as long
// as anybody has it.
#pragma once

#include <strandline/origin/http/http_origin.h>

#include <doctest/doctest.h>
#include <tests/support/http/http_server.h>
#include <tests/support/http/served_object.h>

#include <atomic>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace strandline::origin {

using testing::content;
using testing::Gate;
using testing::HttpExchange;
using testing::HttpRequest;
using testing::HttpServer;
using testing::ServedObject;
using Bytes = std::vector<std::byte>;

// One read: what came of it, in order.
class Read final : public Sink {
 public:
  static std::shared_ptr<Read> start(Origin& origin, ReadRequest request, std::stop_token stop = {}) {
    auto read = std::make_shared<Read>();
    read->end_ = request.range.end;
    origin.read(std::move(request), read, std::move(stop));
    return read;
  }

  // Called on the origin's thread, when set before any of it can come.
  std::function<Result<void>(std::uint64_t offset, std::span<const std::byte>)> on_bytes;
  Gate begun, some, ended;
  std::atomic<bool> full = false;

  Result<void> begin(const ObjectInfo& object, std::uint64_t offset) noexcept override {
    CHECK_FALSE(info.has_value());
    info = object;
    first = next_ = offset;
    begun.open();
    return {};
  }
  Result<void> bytes(std::uint64_t offset, std::span<const std::byte> data) noexcept override {
    CHECK(info.has_value());
    CHECK(offset == next_);
    CHECK(offset + data.size() <= end_);
    CHECK_FALSE(data.empty());
    next_ = offset + data.size();
    got.insert(got.end(), data.begin(), data.end());
    calls += 1;
    some.open();
    return on_bytes ? on_bytes(offset, data) : Result<void>();
  }
  bool has_room() noexcept override { return !full; }
  void end(Outcome<void> outcome) noexcept override {
    CHECK_FALSE(outcome_.has_value());
    outcome_ = std::move(outcome);
    ended.open();
  }

  // "ok", or the error's name.
  std::string finish() {
    ended.wait();
    return *outcome_ ? "ok" : std::string(to_string(outcome_->error().error.code));
  }
  // After finish().
  [[nodiscard]] const Failure& failure() const { return outcome_->error(); }
  [[nodiscard]] const std::string& message() const { return failure().error.context; }
  // Are the bytes those of this version, from `first` on?
  [[nodiscard]] bool is_of(std::uint64_t version) const { return got == content(version, {first, first + got.size()}); }

  std::optional<ObjectInfo> info;
  std::uint64_t first = 0;  // offset of got[0]
  Bytes got;
  std::size_t calls = 0;

 private:
  std::uint64_t next_ = 0;
  std::uint64_t end_ = kMaxOffset;
  std::optional<Outcome<void>> outcome_;
};

inline std::unique_ptr<HttpOrigin> open_origin(HttpOptions options = {}) {
  auto origin = HttpOrigin::open(std::move(options));
  REQUIRE(origin.has_value());
  return std::move(*origin);
}

inline Validator strong(std::string tag) {
  return {Validator::Kind::strong, std::move(tag)};
}

inline Outcome<ObjectInfo> stat_of(Origin& origin, const std::string& key) {
  std::promise<Outcome<ObjectInfo>> promise;
  auto future = promise.get_future();
  origin.stat(key, [&promise](Outcome<ObjectInfo> outcome) { promise.set_value(std::move(outcome)); }, {});
  return future.get();
}

inline std::string says(const Outcome<ObjectInfo>& outcome) {
  return outcome ? "ok" : std::string(to_string(outcome.error().error.code));
}

// One read from a server that answers so, ended; and it fails the test when something else than this version's bytes
// came.
inline std::shared_ptr<Read> read_from(HttpServer::Script script, ReadRequest request = {}, HttpOptions options = {}) {
  const HttpServer server(std::move(script));
  const auto origin = open_origin(std::move(options));
  request.key = server.url("/object");
  auto read = Read::start(*origin, std::move(request));
  read->finish();
  return read;
}

}  // namespace strandline::origin
