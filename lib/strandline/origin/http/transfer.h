// Transfer: one call of stat() or read(), from its first request over redirects and second tries to its answer.
// Threads: made anywhere, then the loop's. Blocks: as the sink does. Errors: in the answer. Cost: one allocation and
// the URLs' text. Lifetime: the loop's, until it has answered.
#pragma once

#include "curl_handles.h"
#include "http_origin.h"
#include "reception.h"
#include "redirects.h"

#include <array>
#include <atomic>
#include <memory>
#include <optional>
#include <stop_token>

namespace strandline::origin::http {

class TransferLoop;
struct WakeLoop {
  TransferLoop* loop;
  void operator()() const noexcept;
};

// What all transfers of a loop share.
struct LoopState {
  HttpOptions options;  // checked
  LoopClock clock;
  KnownTargets targets;
};

class Transfer {
 public:
  enum class Next : std::uint8_t { again, done };

  Transfer(Url url, const HttpOptions& options, ReadRequest request, std::shared_ptr<Sink> sink, std::stop_token stop);
  Transfer(Url url, const HttpOptions& options, Reply<ObjectInfo> reply, std::stop_token stop);

  // Before the loop has it: a stop will wake the loop.
  void on_stop(WakeLoop wake) noexcept { on_stop_.emplace(stop_, wake); }

  // On the loop's thread, in this order: start() once; per request prepare(), and ended() or interrupted(); answer().
  void start(LoopState& loop) noexcept;
  // Sets the next request up, in a handle that is as new. False: no memory.
  [[nodiscard]] bool prepare(CURL* easy) noexcept;
  // libcurl says so, or expired() did.
  [[nodiscard]] Next ended(CURL* easy, CURLcode code) noexcept;
  // Has a deadline passed? Then the request is to be ended, as timed out; else due() says when to ask again.
  [[nodiscard]] bool expired(LoopClock::Clock::time_point now) noexcept;
  [[nodiscard]] LoopClock::Clock::time_point due() const noexcept;
  // While a read is held back, to be slow or for want of room: until when, by steady_clock. due() says nothing then.
  [[nodiscard]] const std::optional<Pace::Clock::time_point>& paused_until() const noexcept { return paused_until_; }
  [[nodiscard]] CURLcode resume() noexcept;
  // The pause is over. False: it is longer, for who gets the bytes has no room for them yet.
  [[nodiscard]] bool may_resume(Pace::Clock::time_point now) noexcept;
  // It will not be ended() any more, if it ever was begun.
  void fail(Errc code, std::string_view why = {}) noexcept;
  void answer() noexcept;

  [[nodiscard]] const std::stop_token& stop() const noexcept { return stop_; }

  // The loop's.
  CURL* easy = nullptr;
  Transfer* next = nullptr;
  Transfer* previous = nullptr;

 private:
  [[nodiscard]] bool has_room() const noexcept { return sink_ == nullptr || sink_->has_room(); }
  static std::size_t on_header(char* data, std::size_t size, std::size_t count, void* self) noexcept;
  static std::size_t on_body(char* data, std::size_t size, std::size_t count, void* self) noexcept;
  static int on_log(CURL*, curl_infotype type, char* data, std::size_t size, void* self) noexcept;
  static curl_socket_t on_socket(void* self, curlsocktype, curl_sockaddr* address) noexcept;
  static int on_ready(void* self, char* ip, char*, int port, int) noexcept;

  void set_question();
  void set_options(CURL* easy);
  [[nodiscard]] bool may_ask(bool is_private, int port) noexcept;
  Next conclude(CURL* easy, CURLcode code);
  Next redirect();
  Next fall_back();
  [[nodiscard]] Failure of_libcurl(CURL* easy, CURLcode code) const;
  void watch() noexcept;

  const ReadRequest request_;
  const std::shared_ptr<Sink> sink_;  // of a read
  const Reply<ObjectInfo> reply_;     // of a stat
  const std::stop_token stop_;
  LoopState* loop_ = nullptr;

  Route route_;
  Question question_;
  std::optional<Reception> reception_;  // of the request under way
  List headers_;
  std::array<char, CURL_ERROR_SIZE> detail_{};
  bool head_refused_ = false;    // so a GET of a byte
  bool ranges_refused_ = false;  // so a GET of all
  bool proxied_ = false;
  bool peer_private_ = true;
  bool peer_refused_ = false;
  bool connected_ = false;
  StallWatch watch_;
  Pace pace_;
  std::optional<Pace::Clock::time_point> paused_until_;
  StallWatch::Verdict stalled_ = StallWatch::Verdict::fine;
  std::optional<LoopClock::Clock::time_point> drain_until_;
  Outcome<void> outcome_{};
  std::optional<std::stop_callback<WakeLoop>> on_stop_;  // last: gone before the rest is
};

}  // namespace strandline::origin::http
