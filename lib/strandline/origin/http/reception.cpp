#include "reception.h"

#include <algorithm>
#include <new>
#include <string>
#include <utility>

#include "redirects.h"

namespace strandline::origin::http {

bool Reception::refuse(Failure failure) noexcept {
  failure_ = std::move(failure);
  return false;
}

template <class Call>
bool Reception::tell(Call&& call) noexcept {
  const auto begin = LoopClock::Clock::now();
  Result<void> answer = call();
  clock_.held_up(LoopClock::Clock::now() - begin);
  if (!answer) {
    refused_by_sink_ = true;
    return refuse(Failure{std::move(answer.error())});
  }
  return !stop_.stop_requested();
}

bool Reception::header(std::string_view line) noexcept {
  header_bytes_ += line.size();
  if (header_bytes_ > kMaxHeader) {
    return !draining_ && refuse(Errc::corrupt, "a header of more than 256 KiB");
  }
  if (answer_ || draining_) {
    return true;  // behind the body: trailers
  }
  try {
    head_.add_line(line);
    return !head_.complete || head_.status < 200 || header_ends();
  } catch (const std::bad_alloc&) {
    return refuse(Errc::no_memory, {});
  }
}

bool Reception::header_ends() {
  if (!is_redirect(head_)) {
    auto answer = judge(head_, question_);
    if (answer) {
      answer_ = std::move(*answer);
    } else {
      failure_ = std::move(answer.error());
    }
  }
  if (answer_ && sink_ != nullptr) {
    begun_ = true;
    if (!tell([this] { return sink_->begin(answer_->object, answer_->offset); })) {
      return false;
    }
  }
  draining_ = !answer_ || sink_ == nullptr || head_.status == 416;
  if (!draining_) {
    const bool is_more = head_.status != 206 && end_ != kMaxOffset;
    end_ = is_more && sink_->goes_on() ? kMaxOffset : end_;
    return true;
  }
  // A short body that says why is read, a long one is not: then the connection cannot be used again.
  const auto length = head_.body_length();
  return question_.head || (length && length->value_or(0) <= kMaxDrain);
}

void Reception::received(std::span<const std::byte> run) noexcept {
  if (!answer_ || draining_ || !answer_->length || !head_.transfer_coding.empty()) {
    return;  // it may be anything, not body byte by byte
  }
  overlong_ = overlong_ || run.size() > *answer_->length - body_bytes_;
  run_ = run.first(std::min<std::uint64_t>(run.size(), *answer_->length - body_bytes_));
}

bool Reception::body(std::span<const std::byte> piece) noexcept {
  if (draining_) {
    body_bytes_ += piece.size();
    return body_bytes_ <= kMaxDrain;
  }
  if (!answer_) {
    return refuse(Errc::corrupt, "a body without a header");
  }
  if (!told_.empty()) {
    if (piece.data() != told_.data() || piece.size() > told_.size()) {
      return refuse(Errc::corrupt, "libcurl handed over something else than it had received");
    }
    told_ = told_.subspan(piece.size());
    return true;
  }
  const auto run = std::exchange(run_, {});
  const bool whole_run = run.data() == piece.data() && run.size() > piece.size();
  told_ = whole_run ? run.subspan(piece.size()) : std::span<const std::byte>();
  return deliver(whole_run ? run : piece);
}

bool Reception::deliver(std::span<const std::byte> data) noexcept {
  const std::uint64_t at = answer_->offset + body_bytes_;
  body_bytes_ += data.size();
  if (body_bytes_ > answer_->length.value_or(kMaxOffset - answer_->offset)) {
    return refuse(Errc::corrupt, "the body is longer than announced");
  }
  const std::uint64_t wanted = std::min<std::uint64_t>(data.size(), end_ - at);
  const bool go_on = tell([&] { return sink_->bytes(at, data.first(wanted)); });
  const bool complete = body_bytes_ == answer_->length;
  // Only the connection's end would tell of the body's, and not every server sees to that.
  const bool endless = !head_.content_length && head_.transfer_coding.empty();
  full_ = !failure_ && (complete ? endless : at + wanted == end_);
  return go_on && !full_;
}

Outcome<void> Reception::outcome() {
  if (failure_) {
    return tl::unexpected(std::move(*failure_));
  }
  const auto fails = [](Errc code, std::string_view what, bool may_pass) {
    return tl::unexpected(Failure{Error::make(code, what), may_pass});
  };
  if (!head_.complete || head_.status < 200) {
    return fails(Errc::io, "the connection ended before an answer", true);
  }
  if (draining_) {
    return {};
  }
  if (overlong_) {
    return fails(Errc::corrupt, "the body is longer than announced", false);
  }
  if (!full_ && answer_->length && body_bytes_ != *answer_->length) {
    return fails(Errc::io, "the body ended after " + progress(), true);
  }
  if (answer_->stops_short) {
    return fails(Errc::io,
                 "the answer stops before the end of the range, at " + std::to_string(answer_->offset + body_bytes_),
                 true);
  }
  if (answer_->offset + body_bytes_ <= question_.range.begin && question_.range.begin > 0) {
    Failure past{Error::make(Errc::invalid_range, "the object has " + std::to_string(body_bytes_) + " bytes")};
    past.size = body_bytes_;
    return tl::unexpected(std::move(past));
  }
  return {};
}

std::string Reception::progress() const {
  return std::to_string(body_bytes_) +
         (answer_ && answer_->length ? " of " + std::to_string(*answer_->length) : std::string()) + " bytes";
}

}  // namespace strandline::origin::http
