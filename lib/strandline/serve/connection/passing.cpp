#include <strandline/drivers/file/failure.h>
#include <strandline/serve/connection/passing.h>

#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <optional>
#include <stop_token>
#include <utility>

namespace strandline::serve {

using boost::asio::awaitable;

namespace {

constexpr std::uint64_t kPiece = 256 << 10;
// Of an origin that sends all at once: with more than this it is to wait,
constexpr std::size_t kEnoughWaiting = 2 << 20;
constexpr std::size_t kEnoughOfAll = 64 << 20;  // of all clients together
// and one that does not wait is broken off with this.
constexpr std::size_t kMostWaiting = 16 << 20;
constexpr std::size_t kMostOfAll = 128 << 20;
std::atomic<std::size_t> waiting_of_all{0};

}  // namespace

// One read of the origin, and what of it the client has still to get. A sink on the origin's thread; the rest on the
// client's executor.
class Passing::Piece final : public origin::Sink, public std::enable_shared_from_this<Piece> {
 public:
  Piece(boost::asio::any_io_executor executor, const origin::ObjectInfo& object, ByteRange range)
      : object_(object), range_(range), work_(executor), arrived_(std::move(executor)) {}

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
    request.if_match = object_.validator;
    source.origin->read(std::move(request), shared_from_this(), over_.get_token());
  }
  void stop() { over_.request_stop(); }
  [[nodiscard]] ByteRange range() const noexcept { return range_; }

  // The next bytes, as soon as there are any; empty: all of them have come.
  awaitable<origin::Outcome<std::string>> next(ClientSocket::Clock::duration patience) {
    const auto until = ClientSocket::Clock::now() + patience;
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
      if (ClientSocket::Clock::now() >= until) {
        co_return tl::unexpected(origin::Failure{Error::make(Errc::timed_out, "the origin has fallen silent")});
      }
      arrived_.expires_at(until);
      co_await arrived_.async_wait(kToken);
    }
  }

  Result<void> begin(const origin::ObjectInfo& object, std::uint64_t offset) noexcept override {
    at_ = offset;
    const bool resized = object.size && object_.size && *object.size != *object_.size;
    return object.validator == object_.validator && !resized ? Result<void>()
                                                             : fail(Errc::changed, "the origin has another version");
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
  void tell() {
    boost::asio::post(work_.get_executor(), [self = shared_from_this()] { self->arrived_.cancel(); });
  }

  const origin::ObjectInfo object_;
  const ByteRange range_;
  // The origin may have this for longer than the session lives: until then the server's threads run.
  const boost::asio::executor_work_guard<boost::asio::any_io_executor> work_;
  boost::asio::steady_timer arrived_;
  std::stop_source over_;
  std::uint64_t at_ = 0;  // the origin's thread's
  Mutex mutex_;           // a leaf
  std::string waiting_ STRANDLINE_GUARDED_BY(mutex_);
  std::optional<origin::Outcome<void>> outcome_ STRANDLINE_GUARDED_BY(mutex_);
};

std::shared_ptr<Passing::Piece> Passing::ask(ByteRange range) {
  auto piece = std::make_shared<Piece>(client_.executor(), object_.info, range);
  piece->start(object_.source);
  return piece;
}

awaitable<bool> Passing::send(ByteRange range, std::string before, bool chunked) {
  // Without a validator nobody could tell that two answers are of one version: it comes as one.
  const bool in_pieces = object_.info.accepts_ranges && object_.info.size && is_told(object_.info);
  const std::uint64_t size = in_pieces ? kPiece : kMaxOffset;
  const auto piece_at = [&](std::uint64_t at) { return ByteRange{at, at + std::min(size, range.end - at)}; };
  // None is left running: not when the session is ended either, by an exception.
  struct Pieces {
    std::shared_ptr<Piece> now, next;
    ~Pieces() {
      for (const auto& piece : {now, next}) {
        if (piece != nullptr) {
          piece->stop();
        }
      }
    }
  } pieces;
  for (std::uint64_t at = range.begin; at < range.end;) {
    if (pieces.now == nullptr) {
      pieces.now = ask(piece_at(at));
    }
    at = pieces.now->range().end;
    pieces.next = at < range.end && waiting_of_all < kEnoughOfAll ? ask(piece_at(at)) : nullptr;
    if (!co_await send_piece(*pieces.now, before, chunked)) {
      co_return false;
    }
    pieces.now = std::exchange(pieces.next, nullptr);
  }
  before += chunked ? "0\r\n\r\n" : "";
  co_return before.empty() || co_await client_.send(std::move(before));
}

awaitable<bool> Passing::send_piece(Piece& piece, std::string& before, bool chunked) {
  std::uint64_t left = piece.range().size();
  for (;;) {
    auto bytes = co_await piece.next(limits_.progress);
    if (!bytes) {
      co_return hindered(bytes.error());
    }
    if (bytes->empty()) {
      if (left == 0 || !object_.info.size) {
        co_return true;
      }
      const origin::Failure less{Error::make(Errc::corrupt, "the origin has less of it than it said")};
      co_return hindered(less);
    }
    left -= std::min<std::uint64_t>(left, bytes->size());
    before += chunked ? chunk_head(bytes->size()) : "";
    begun_ = true;
    if (!before.empty()) {
      // With gcc 12 what a conditional co_await is given has to be a variable.
      std::string head = std::exchange(before, chunked ? "\r\n" : "");
      if (!co_await client_.send(std::move(head), MSG_MORE)) {
        co_return false;
      }
    }
    const std::size_t count = bytes->size();
    if (!co_await client_.send(std::move(*bytes))) {
      co_return false;
    }
    reader_.passed(count);
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
