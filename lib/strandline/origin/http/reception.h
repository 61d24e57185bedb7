// Reception: takes in one response: header lines, then a body that goes straight from libcurl's buffer to the sink.
// Threads: one. Blocks: as the sink does. Errors: in the outcome; no exception leaves. Cost: nothing is copied.
// Lifetime: borrows its arguments.
// libcurl hands a body over in pieces of 16 KiB, whatever it has read at once; received() is told of all that first,
// and then the sink is too: a quarter of the time goes when a file is written in runs of up to 512 KiB.
#pragma once

#include "protocol/judgement.h"
#include "protocol/pace.h"
#include "protocol/stall_watch.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <stop_token>
#include <string_view>
#include <utility>

namespace strandline::origin::http {

class Reception {
 public:
  // Without a sink only what the header says is wanted.
  Reception(const Question& question, Sink* sink, const std::stop_token& stop, LoopClock& clock)
      : question_(question), sink_(sink), stop_(stop), clock_(clock), end_(question.range.end) {}

  // Each answers false when the transfer is to end here, well or not.
  [[nodiscard]] bool header(std::string_view line) noexcept;
  [[nodiscard]] bool body(std::span<const std::byte> piece) noexcept;
  // What libcurl has read, as it lies in its buffer, before it is taken apart into calls of body().
  void received(std::span<const std::byte> run) noexcept;

  [[nodiscard]] const HttpHead& head() const noexcept { return head_; }
  // The header is there, and may be used: what it says.
  [[nodiscard]] const std::optional<Answer>& answer() const noexcept { return answer_; }
  [[nodiscard]] ObjectInfo take_object() noexcept { return std::move(answer_->object); }
  // The sink has been told of something.
  [[nodiscard]] bool begun() const noexcept { return begun_; }
  // Its error is to be told as it is.
  [[nodiscard]] bool refused_by_sink() const noexcept { return refused_by_sink_; }
  // The header is there, and what follows is not wanted: it is only read so that the connection can be used again.
  [[nodiscard]] bool draining() const noexcept { return draining_; }
  // The transfer was ended by header() or body(), or could have been.
  [[nodiscard]] bool decided() const noexcept { return draining_ || full_ || failure_.has_value(); }

  // What has become of it, once the transfer ended in order, or was ended from here.
  [[nodiscard]] Outcome<void> outcome();
  // How much of the body came, for messages: "1000 of 5000 bytes".
  [[nodiscard]] std::string progress() const;

 private:
  static constexpr std::size_t kMaxHeader = 256 * 1024;  // bytes, of interim responses and trailers too
  static constexpr std::uint64_t kMaxDrain = 64 * 1024;  // bytes

  bool refuse(Failure failure) noexcept;
  bool refuse(Errc code, std::string_view what) noexcept { return refuse(Failure{Error::make(code, what)}); }
  bool header_ends();
  bool deliver(std::span<const std::byte> data) noexcept;
  // Calls the sink, and takes the time.
  template <class Call>
  bool tell(Call&& call) noexcept;

  const Question& question_;
  Sink* const sink_;
  const std::stop_token& stop_;
  LoopClock& clock_;

  std::uint64_t end_;  // of what the sink wants

  HttpHead head_;
  std::size_t header_bytes_ = 0;
  std::optional<Answer> answer_;
  std::optional<Failure> failure_;
  bool begun_ = false;
  bool refused_by_sink_ = false;
  bool draining_ = false;
  bool full_ = false;      // all that is wanted has come, and the connection may go on
  bool overlong_ = false;  // more came than was announced

  std::uint64_t body_bytes_ = 0;     // of the body, that came
  std::span<const std::byte> run_;   // in libcurl's buffer, not handed over
  std::span<const std::byte> told_;  // of a run that the sink has been told of: what body() is still to bring
};

}  // namespace strandline::origin::http
