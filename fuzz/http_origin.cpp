// An HTTP origin whose server changes status, header, framing, timing and identity as the input says. Whatever a sink
// is given is, byte for byte and in its place, of one version of the object, and of the one that was wanted; or the
// read ends in an error. The server's only honesty: what is no answer by the book, it does not fill with the object's
// bytes.
//
// Input: reads (count, and five bytes each), then answers, in the order in which requests come (fuzz/http/hostility.h).
// What the input does not say is said by zeros: the right answer.
#include <fuzz/http/hostility.h>
#include <strandline/origin/http/http_origin.h>

#include <algorithm>
#include <future>
#include <mutex>

using namespace strandline;
using namespace strandline::fuzz;
using namespace strandline::origin;
using namespace strandline::testing;

namespace {

constexpr std::uint8_t kMaxReads = 5;

struct Wanted {
  bool stat = false;
  bool stop = false;   // from inside the sink
  bool match = false;  // the version that was last begun
  ByteRange range{0, kMaxOffset};
};

Wanted wanted_of(Input& input) {
  Wanted wanted;
  const std::uint8_t flags = input.next();
  wanted.stat = (flags & 1) != 0;
  wanted.match = (flags & 2) != 0;
  wanted.stop = (flags & 12) == 12;
  const std::uint64_t begin = input.number() % 25'000;
  const std::uint64_t size = input.number();
  wanted.range = {begin, size == 0 ? kMaxOffset : begin + size};
  return wanted;
}

class Checker final : public Sink {
 public:
  Checker(const Wanted& wanted, Validator if_match) : wanted_(wanted), if_match_(std::move(if_match)) {}

  Result<void> begin(const ObjectInfo& object, std::uint64_t offset) noexcept override {
    require(!info && !ended_, "begin() twice, or after end()");
    require(offset == wanted_.range.begin || offset == 0, "bytes from nowhere");
    info = object;
    first_ = next_ = offset;
    return {};
  }
  Result<void> bytes(std::uint64_t offset, std::span<const std::byte> data) noexcept override {
    require(info && !ended_, "bytes() before begin(), or after end()");
    require(offset == next_, "a gap, or an overlap");
    require(data.size() <= wanted_.range.end - offset, "bytes past the end of the range");
    next_ = offset + data.size();
    got_.insert(got_.end(), data.begin(), data.end());
    if (wanted_.stop) {
      stop.request_stop();
    }
    return {};
  }
  void end(Outcome<void> outcome) noexcept override {
    require(!ended_, "end() twice");
    ended_ = true;
    check(outcome.has_value());
    done.set_value();
  }

  std::optional<ObjectInfo> info;
  std::stop_source stop;
  std::promise<void> done;

 private:
  [[nodiscard]] bool is_of(std::uint64_t version) const {
    return got_ == content(version, {first_, first_ + got_.size()});
  }

  void check(bool success) const {
    require(!success || info, "success without begin()");
    if (!info) {
      return;
    }
    const std::uint64_t said = version_of(info->validator);
    const std::uint64_t of = version_of(if_match_);
    require(if_match_.kind != Validator::Kind::strong || info->validator == if_match_, "another version was begun");
    require(of == 0 || said == 0 || said == of, "another version was begun, though it could be told");
    bool right = false;
    for (std::uint64_t version = 1; version <= kVersions; ++version) {
      right = right || ((said == 0 || said == version) && is_of(version));
    }
    require(right, "bytes that are not of this version, there");
    if (success && info->size) {
      require(next_ == std::max(first_, std::min(wanted_.range.end, *info->size)), "success, but not everything");
    }
  }

  const Wanted wanted_;
  const Validator if_match_;
  bool ended_ = false;
  std::uint64_t first_ = 0;
  std::uint64_t next_ = 0;
  std::vector<std::byte> got_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Input input({data, size});
  std::vector<Wanted> reads(1 + input.next() % kMaxReads);
  for (Wanted& read : reads) {
    read = wanted_of(input);
  }
  std::mutex mutex;
  bool silent = false;  // once is enough: it takes time
  const HttpServer server([&](HttpExchange& exchange) {
    Hostility answer = [&] {
      const std::lock_guard lock(mutex);
      Hostility next(input, exchange.request());
      next.silent = next.silent && !std::exchange(silent, silent || next.silent);
      return next;
    }();
    answer.send(exchange);
  });
  auto origin = HttpOrigin::open({.base = server.url(), .proxy = "", .silence = std::chrono::milliseconds(20)});
  require(origin.has_value(), "no origin");
  Validator last;
  for (const Wanted& wanted : reads) {
    if (wanted.stat) {
      std::promise<void> done;
      (*origin)->stat("object", [&done](const Outcome<ObjectInfo>&) { done.set_value(); }, {});
      done.get_future().get();
      continue;
    }
    const Validator if_match = wanted.match ? last : Validator{};
    const auto checker = std::make_shared<Checker>(wanted, if_match);
    (*origin)->read({.key = "object", .range = wanted.range, .if_match = if_match}, checker, checker->stop.get_token());
    checker->done.get_future().get();
    last = checker->info ? checker->info->validator : last;
  }
  return 0;
}
