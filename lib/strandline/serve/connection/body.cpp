#include <strandline/async/asio.h>
#include <strandline/fill/want.h>
#include <strandline/serve/connection/body.h>

#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/post.hpp>
#include <optional>
#include <utility>

namespace strandline::serve {

using boost::asio::awaitable;
using namespace boost::asio::experimental::awaitable_operators;

Result<void> InFlight::pin(std::shared_ptr<store::Lease> lease, ByteRange range) {
  pieces_.reserve(pieces_.size() + 1);
  auto held = lease->pin(range);
  if (held) {
    pieces_.push_back({std::move(lease), range, kMaxOffset});
  }
  return held;
}

void InFlight::settle(std::uint64_t arrived) noexcept {
  while (!pieces_.empty() && pieces_.front().handed <= arrived) {
    unpin(0);
  }
}

void InFlight::unpin(std::size_t index) noexcept {
  const auto piece = pieces_.begin() + static_cast<std::ptrdiff_t>(index);
  piece->lease->unpin(piece->range);
  pieces_.erase(piece);
}

bool Body::hold(std::span<const ByteRange> parts, std::uint64_t most) {
  const auto all_here = [&] {
    return std::all_of(parts.begin(), parts.end(), [&](ByteRange part) { return resource().contains(part); });
  };
  if (!all_here()) {
    return false;
  }
  held_.emplace(object_.fetched.lease());
  for (const ByteRange part : parts) {
    const ByteRange kept{part.begin, part.begin + std::min(most, part.size())};
    if (!held_->pin(kept)) {
      return false;
    }
    most -= kept.size();
  }
  return all_here();  // what was evicted before the pin does not come back
}

awaitable<bool> Body::send(ByteRange range, std::string before, bool chunked) {
  const auto lease = std::make_shared<store::Lease>(object_.fetched.lease());
  const Reading reading(reader_, lease->key(), resource(), range, object_.opened);
  // What is read on is fetched ahead of it, but nothing past its end: of the last of it just that is wanted.
  std::optional<fill::Want> want;
  std::optional<Cursor<store::EntryDriver>> cursor;
  const std::uint64_t window = object_.fetched.limits().window;
  if (range.size() <= window) {
    want.emplace(resource(), range);
  } else {
    auto made = resource().cursor(range.begin);
    if (!made) {
      co_return hindered(503, "not now", std::move(made.error()));
    }
    cursor.emplace(std::move(*made));
  }
  for (std::uint64_t at = range.begin; at < range.end;) {
    const ByteRange next{at, std::min(range.end, at + limits_.at_once)};
    in_flight_.settle(client_.arrived());
    const bool some = there_from(next) > at;
    if (auto held = some ? in_flight_.pin(lease, next) : Result<void>(); !held) {
      co_return hindered(503, "not now", std::move(held.error()));
    }
    const std::uint64_t there = some ? there_from(next) : at;  // what is there now stays
    if (there > at) {
      before += chunked ? chunk_head(there - at) : "";
      begun_ = true;
      if ((!before.empty() && !co_await client_.send(std::exchange(before, {}), MSG_MORE)) ||
          !co_await send_there(*lease, {at, there})) {
        co_return false;
      }
      before = chunked ? "\r\n" : "";
      in_flight_.handed_last(client_.handed());
    } else if (some) {
      in_flight_.unpin_last();
    }
    if (there > at) {
      at = there;
      if (cursor && range.end - at <= window) {
        cursor.reset();
        want.emplace(resource(), ByteRange{at, range.end});
      } else if (cursor) {
        static_cast<void>(cursor->seek(at));  // behind bytes that are there
      }
      if (at < range.end) {
        co_await boost::asio::post(client_.executor(), kToken);  // others of this thread have their turn
      }
      continue;
    }
    const auto outcome = co_await wait(next);
    if (!outcome && client_.has_gone()) {
      co_return false;
    }
    if (outcome == WaitOutcome::eof) {
      break;
    }
    if (outcome != WaitOutcome::ready) {
      Error why = why_not(outcome);
      const int status = outcome == WaitOutcome::timed_out ? 504 : 502;
      co_return hindered(status, "the origin does not bring it", std::move(why));
    }
  }
  const auto length = resource().length();
  if (!chunked && range.end != kMaxOffset && (!length || *length < range.end)) {
    Error why = Error::make(Errc::corrupt, "it ends before " + std::to_string(range.end));
    co_return hindered(502, "the origin has less of it than it said", std::move(why));
  }
  before += chunked ? "0\r\n\r\n" : "";
  co_return before.empty() || co_await client_.send(std::move(before));
}

Error Body::why_not(std::optional<WaitOutcome> outcome) const {
  if (auto why = object_.fetched.given_up()) {
    return std::move(*why);
  }
  if (outcome == WaitOutcome::timed_out) {
    return Error::make(Errc::timed_out, "no byte for " + std::to_string(limits_.progress.count()) + " ms");
  }
  auto status = resource().status();
  return status.error ? std::move(*status.error) : Error::make(Errc::no_writer, "nobody brings it");
}

void Body::cannot_send(const Error& why) {
  if (!client_.has_gone() && !client_.is_reset()) {
    static_cast<void>(hindered(503, "not now", why.clone()));
  }
}

bool Body::hindered(int status, std::string_view reason, Error why) {
  using Remedy = Hindrance::Remedy;
  const Remedy remedy = object_.is_for_one()         ? Remedy::for_one
                        : why.code == Errc::no_space ? Remedy::no_room
                        : why.code == Errc::changed  ? Remedy::ask_again
                                                     : Remedy::none;
  hindrance_ = Hindrance{std::move(why), {status, reason}, {}, remedy};
  return false;
}

awaitable<bool> Body::send_there(const store::Lease& lease, ByteRange there) {
  while (!there.empty()) {
    const auto count = co_await send_some(lease, there);
    if (!count) {
      co_return false;
    }
    there.begin += *count;
    reader_.sent(*count);
  }
  co_return true;
}

std::uint64_t Body::there_from(ByteRange range) const {
  const auto gap = resource().next_gap(range.begin, range.end);
  const std::uint64_t end = gap ? gap->begin : range.end;
  return std::max(range.begin, std::min(end, resource().length().value_or(end)));
}

awaitable<std::optional<std::size_t>> Body::send_some(const store::Lease& lease, ByteRange range) {
  if (!client_.takes_files()) {
    co_return co_await send_copy(lease, range);
  }
  for (;;) {
    const auto count = lease.send_to(client_.handle(), range);
    if (!count && (count.error().code == Errc::unsupported || count.error().code == Errc::corrupt)) {
      co_return co_await send_copy(lease, range);  // which can decrypt, and tells whether it is corrupt
    }
    if (!count) {
      cannot_send(count.error());
      co_return std::nullopt;
    }
    if (*count > 0) {
      client_.sent(*count);
      co_return *count;
    }
    if (!co_await client_.writable()) {
      co_return std::nullopt;
    }
  }
}

awaitable<std::optional<std::size_t>> Body::send_copy(const store::Lease& lease, ByteRange range) {
  std::string bytes(std::min<std::uint64_t>(range.size(), 65536), '\0');
  const auto count = lease.resource().read_at(range.begin, std::as_writable_bytes(std::span(bytes)));
  if (!count || *count == 0) {
    cannot_send(count ? Error::make(Errc::not_available, "read") : count.error().clone());
    co_return std::nullopt;
  }
  bytes.resize(*count);
  co_return co_await client_.send(std::move(bytes)) ? std::optional(*count) : std::nullopt;
}

awaitable<std::optional<WaitOutcome>> Body::wait(ByteRange range) {
  const Waiting waiting(reader_, range);
  WaitOptions options;
  const auto since = ClientSocket::Clock::now();
  options.deadline = since + limits_.progress;
  options.until = WaitFor::any;
  const auto first = co_await (async_wait(resource(), range, options, kToken) || client_.until_gone());
  client_.account().waited_since(since);
  client_.account().waited_for_bytes = true;
  if (first.index() == 1) {
    co_return std::nullopt;
  }
  const auto& [error, outcome] = std::get<0>(first);
  co_return !error ? std::optional(outcome) : std::nullopt;
}

}  // namespace strandline::serve
