#include <strandline/drivers/file/failure.h>
#include <strandline/serve/connection/passing.h>

#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <optional>
#include <stop_token>
#include <utility>

namespace strandline::serve {

using boost::asio::awaitable;
using namespace boost::asio::experimental::awaitable_operators;

namespace {

constexpr std::uint64_t kPiece = 256 << 10;
constexpr int kMostAsked = 2;  // of what is another each time
// Of an origin that sends all at once: with more than this it is to wait,
constexpr std::size_t kEnoughWaiting = 2 << 20;
constexpr std::size_t kEnoughOfAll = 64 << 20;  // of all clients together
// and one that does not wait is broken off with this.
constexpr std::size_t kMostWaiting = 16 << 20;
constexpr std::size_t kMostOfAll = 128 << 20;
std::atomic<std::size_t> waiting_of_all{0};

// Pieces can be told to be of one version, and be asked for one by one. Without a validator nobody could tell that two
// answers are of one: it comes as one.
bool comes_in_pieces(const origin::ObjectInfo& info) {
  return info.accepts_ranges && info.size && is_told(info);
}

// What an origin leaves out of a part it has said before of the same version.
origin::ObjectInfo completed(origin::ObjectInfo now, const origin::ObjectInfo& before) {
  if (is_told(now) && now.validator == before.validator) {
    now.size = now.size ? now.size : before.size;
    now.content_type = now.content_type.empty() ? before.content_type : now.content_type;
    std::string& modified = now.caching.last_modified;
    modified = modified.empty() ? before.caching.last_modified : modified;
  }
  return now;
}

}  // namespace

// One read of the origin, and what of it the client has still to get. A sink on the origin's thread; the rest on the
// client's executor.
class Passing::Piece final : public origin::Sink, public std::enable_shared_from_this<Piece> {
 public:
  using Clock = ClientSocket::Clock;

  // `object`: which it must be of; none: whichever there is.
  Piece(boost::asio::any_io_executor executor, std::optional<origin::ObjectInfo> object, ByteRange range)
      : object_(std::move(object)), range_(range), work_(executor), arrived_(std::move(executor)) {}

  Piece(const Piece&) = delete;
  Piece& operator=(const Piece&) = delete;
  ~Piece() override {
    MutexLock lock(mutex_);
    waiting_of_all -= waiting_.size();
  }

  void start(const Source& source) {
    origin::ReadRequest request;
    request.key = source.key;
    request.range = range_;
    request.if_match = object_ ? object_->validator : Validator{};
    source.origin->read(std::move(request), shared_from_this(), over_.get_token());
  }
  void stop() { over_.request_stop(); }
  [[nodiscard]] ByteRange range() const noexcept { return range_; }

  // What the origin says with it, as soon as it does.
  awaitable<origin::Outcome<origin::ObjectInfo>> told(ClientSocket& client, Clock::duration patience) {
    const auto until = Clock::now() + patience;
    for (;;) {
      {
        MutexLock lock(mutex_);
        if (told_) {
          co_return std::move(*std::exchange(told_, std::nullopt));
        }
        if (outcome_) {
          co_return tl::unexpected(*outcome_ ? said_nothing() : outcome_->error().clone());
        }
      }
      if (auto ended = co_await wait(client, until)) {
        co_return tl::unexpected(std::move(*ended));
      }
    }
  }
  // The next bytes, as soon as there are any; empty: all of them have come.
  awaitable<origin::Outcome<std::string>> next(ClientSocket& client, Clock::duration patience) {
    const auto until = Clock::now() + patience;
    for (;;) {
      {
        MutexLock lock(mutex_);
        if (!waiting_.empty()) {
          waiting_of_all -= waiting_.size();
          co_return std::exchange(waiting_, {});
        }
        if (outcome_) {
          co_return *outcome_ ? origin::Outcome<std::string>(std::string()) : tl::unexpected(outcome_->error().clone());
        }
      }
      if (auto ended = co_await wait(client, until)) {
        co_return tl::unexpected(std::move(*ended));
      }
    }
  }

  Result<void> begin(const origin::ObjectInfo& object, std::uint64_t offset) noexcept override {
    at_ = offset;
    if (object_) {
      const bool resized = object.size && object_->size && *object.size != *object_->size;
      return object.validator == object_->validator && !resized ? Result<void>()
                                                                : fail(Errc::changed, "the origin has another version");
    }
    return file::contained([&]() -> Result<void> {
      {
        MutexLock lock(mutex_);
        told_ = object;
      }
      tell();
      return {};
    });
  }
  Result<void> bytes(std::uint64_t, std::span<const std::byte> data) noexcept override {
    const std::uint64_t skipped = std::min<std::uint64_t>(data.size(), range_.begin - std::min(at_, range_.begin));
    at_ += data.size();
    const auto wanted = data.subspan(skipped);
    return file::contained([&]() -> Result<void> {
      {
        MutexLock lock(mutex_);
        if (waiting_.size() + wanted.size() > kMostWaiting || waiting_of_all + wanted.size() > kMostOfAll) {
          return fail(Errc::no_memory, "clients are too slow for an origin that sends all at once");
        }
        waiting_.append(reinterpret_cast<const char*>(wanted.data()), wanted.size());
        waiting_of_all += wanted.size();
      }
      tell();
      return {};
    });
  }
  bool has_room() noexcept override {
    MutexLock lock(mutex_);
    // Who has nothing goes on, however much the others have.
    return waiting_.empty() || (waiting_.size() < kEnoughWaiting && waiting_of_all < kEnoughOfAll);
  }
  void end(origin::Outcome<void> outcome) noexcept override {
    {
      MutexLock lock(mutex_);
      outcome_ = std::move(outcome);
    }
    // Without memory the client is told when its patience has ended.
    static_cast<void>(file::contained([&]() -> Result<void> {
      tell();
      return {};
    }));
  }

 private:
  static origin::Failure said_nothing() { return {Error::make(Errc::corrupt, "the origin has said nothing")}; }
  void tell() {
    boost::asio::post(work_.get_executor(), [self = shared_from_this()] { self->arrived_.cancel(); });
  }
  // Until something has come; else why nobody waits any more.
  awaitable<std::optional<origin::Failure>> wait(ClientSocket& client, Clock::time_point until) {
    const auto since = Clock::now();
    if (since >= until) {
      co_return origin::Failure{Error::make(Errc::timed_out, "the origin has fallen silent")};
    }
    co_await (come(until) || client.until_gone());
    client.account().waited_since(since);
    client.account().waited_for_bytes = true;
    if (client.has_gone()) {
      co_return origin::Failure{Error::make(Errc::interrupted, "the client has gone")};
    }
    co_return std::nullopt;
  }
  awaitable<void> come(Clock::time_point until) {
    {
      MutexLock lock(mutex_);
      if (told_ || !waiting_.empty() || outcome_) {
        co_return;  // what comes from here on is told of behind the wait's beginning
      }
    }
    arrived_.expires_at(until);
    co_await arrived_.async_wait(kToken);
  }

  const std::optional<origin::ObjectInfo> object_;
  const ByteRange range_;
  // The origin may have this for longer than the session lives: until then the server's threads run.
  const boost::asio::executor_work_guard<boost::asio::any_io_executor> work_;
  boost::asio::steady_timer arrived_;
  std::stop_source over_;
  std::uint64_t at_ = 0;                                                  // the origin's thread's
  Mutex mutex_;                                                           // a leaf
  std::optional<origin::ObjectInfo> told_ STRANDLINE_GUARDED_BY(mutex_);  // until it is taken
  std::string waiting_ STRANDLINE_GUARDED_BY(mutex_);
  std::optional<origin::Outcome<void>> outcome_ STRANDLINE_GUARDED_BY(mutex_);
};

Passing::~Passing() {
  for (const auto& piece : {now_, next_}) {
    if (piece != nullptr) {
      piece->stop();
    }
  }
}

ByteRange Passing::piece_at(std::uint64_t at, ByteRange part) const {
  const std::uint64_t size = comes_in_pieces(object_->info) ? kPiece : kMaxOffset;
  return {at, at + std::min(size, part.end - at)};
}

std::shared_ptr<Passing::Piece> Passing::start(ByteRange range, bool of_any_version) {
  auto object = of_any_version ? std::nullopt : std::optional(object_->info);
  auto piece = std::make_shared<Piece>(client_.executor(), std::move(object), range);
  piece->start(object_->source);
  return piece;
}

awaitable<std::shared_ptr<const Unshared>> Passing::ask(ByteRange part) {
  const auto asked = wall_clock();
  if (asked_++ == kMostAsked) {
    const origin::Failure other{Error::make(Errc::changed, "the origin has another each time")};
    static_cast<void>(hindered(other));
    co_return nullptr;
  }
  // Of what may be longer by now, all.
  const bool all = part == ByteRange{0, object_->info.size.value_or(kMaxOffset)} && !comes_in_pieces(object_->info);
  if (now_ != nullptr) {
    now_->stop();
  }
  now_ = start(all ? ByteRange{0, kMaxOffset} : piece_at(part.begin, part), true);
  auto told = co_await now_->told(client_, limits_.progress);
  if (!told) {
    static_cast<void>(hindered(told.error()));
    co_return nullptr;
  }
  Said said{completed(std::move(*told), object_->info), asked, wall_clock()};
  const auto freshness = freshness_of(said);
  object_ = std::make_shared<const Unshared>(Unshared{object_->source, std::move(said.info), freshness});
  co_return object_;
}

bool Passing::goes_on_with(ByteRange part) const {
  const ByteRange asked = now_->range();
  return part.begin == asked.begin && (part.end <= asked.end || comes_in_pieces(object_->info));
}

awaitable<bool> Passing::send(ByteRange range, std::string before, bool chunked) {
  for (std::uint64_t at = range.begin; at < range.end;) {
    if (now_ == nullptr) {
      now_ = start(piece_at(at, range));
    }
    const ByteRange piece{at, std::min(range.end, now_->range().end)};
    at = piece.end;
    next_ = at < range.end && waiting_of_all < kEnoughOfAll ? start(piece_at(at, range)) : nullptr;
    if (!co_await send_piece(piece.size(), before, chunked)) {
      co_return false;
    }
    now_->stop();  // it may have more than is wanted
    now_ = std::exchange(next_, nullptr);
  }
  before += chunked ? "0\r\n\r\n" : "";
  co_return before.empty() || co_await client_.send(std::move(before));
}

awaitable<bool> Passing::send_piece(std::uint64_t left, std::string& before, bool chunked) {
  for (;;) {
    auto bytes = co_await now_->next(client_, limits_.progress);
    if (!bytes) {
      co_return hindered(bytes.error());
    }
    if (bytes->empty()) {
      if (left == 0 || !object_->info.size) {
        co_return true;
      }
      const origin::Failure less{Error::make(Errc::corrupt, "the origin has less of it than it said")};
      co_return hindered(less);
    }
    const bool is_more = bytes->size() > left;
    bytes->resize(std::min<std::uint64_t>(left, bytes->size()));
    const std::size_t count = bytes->size();
    if (count > 0) {
      left -= count;
      before += chunked ? chunk_head(count) : "";
      begun_ = true;
      if (!before.empty()) {
        // With gcc 12 what a conditional co_await is given has to be a variable.
        std::string head = std::exchange(before, chunked ? "\r\n" : "");
        if (!co_await client_.send(std::move(head), MSG_MORE)) {
          co_return false;
        }
      }
      if (!co_await client_.send(std::move(*bytes))) {
        co_return false;
      }
      reader_.passed(count);
    }
    if (is_more) {
      co_return true;
    }
  }
}

bool Passing::hindered(const origin::Failure& failure) {
  constexpr http::CacheStatus kAsked{.forward = http::CacheStatus::Forward::bypass};
  hindrance_ = hindrance_of(failure, kAsked);
  // It is not what it was when the origin was asked what it is.
  if (failure.error.code == Errc::changed || failure.error.code == Errc::invalid_range) {
    hindrance_->remedy = Hindrance::Remedy::ask_again;
  }
  return false;
}

}  // namespace strandline::serve
