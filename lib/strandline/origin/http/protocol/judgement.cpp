#include "judgement.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "http_date.h"
#include "syntax.h"

namespace strandline::origin::http {
namespace {

tl::unexpected<Failure> refuse(Errc code, std::string_view what) {
  return tl::unexpected(Failure{Error::make(code, what)});
}

std::string status_text(const HttpHead& head) {
  return "HTTP status " + std::to_string(head.status);
}

bool may_pass(int status) noexcept {
  switch (status) {
    case 408:
    case 425:
    case 429:
    case 500:
    case 502:
    case 503:
    case 504:
      return true;
    default:
      return false;
  }
}

Errc code_of(int status) noexcept {
  switch (status) {
    case 401:
    case 403:
    case 407:
    case 451:
      return Errc::permission_denied;
    case 404:
    case 410:
      return Errc::not_found;
    case 412:
      return Errc::changed;
    default:
      return status < 400 ? Errc::corrupt : Errc::io;  // nothing else below 400 answers a GET that sets no conditions
  }
}

Outcome<Answer> refused(const HttpHead& head, const Question& question) {
  Failure failure{Error::make(code_of(head.status), status_text(head)), may_pass(head.status)};
  failure.http_status = head.status;
  failure.retry_after =
      failure.may_pass ? parse_retry_after(head.retry_after, std::chrono::system_clock::now()) : std::nullopt;
  if (head.status == 412 && question.if_match.kind != Validator::Kind::strong) {
    failure.error = Error::make(Errc::corrupt, status_text(head) + " to a request without conditions");
  }
  return tl::unexpected(std::move(failure));
}

tl::unexpected<Failure> changed(const Validator& wanted, const Validator& found) {
  return refuse(Errc::changed, found.kind == Validator::Kind::none
                                   ? "the answer does not tell which version it is of; wanted is " + wanted.value
                                   : "the origin has version " + found.value + "; wanted is " + wanted.value);
}

bool is_refused_range(const HttpHead& head, const Question& question) {
  return head.status == 416 && !question.head && question.ranged;
}

// The object ends before the range begins; or it is empty, and all of it was asked for.
Outcome<Answer> past_the_end(const HttpHead& head, const Question& question) {
  const auto size = head.content_range ? parse_unsatisfied_range(*head.content_range) : std::nullopt;
  const std::string said = status_text(head) + (head.content_range ? ", '" + *head.content_range + "'" : "");
  if (size && *size > question.range.begin) {
    return refuse(Errc::corrupt, said + ": to " + question.range_text());
  }
  if (size == 0u && question.range.begin == 0) {
    ObjectInfo object{size, validator_of(head, size), true, {}};
    if (agree(question.if_match, object.validator)) {
      return Answer{std::move(object), 0, 0, false};
    }
  }
  Failure failure{Error::make(Errc::invalid_range, said)};
  failure.size = size;
  return tl::unexpected(std::move(failure));
}

// 206: exactly what was asked for, or its beginning.
Outcome<Answer> part(const HttpHead& head, const Question& question, std::optional<std::uint64_t> body) {
  if (lower_case(head.content_type).starts_with("multipart/byteranges")) {
    return refuse(Errc::corrupt, "several parts (multipart/byteranges), though one range was asked for");
  }
  if (!head.content_range) {
    return refuse(Errc::corrupt, "a 206 without Content-Range");
  }
  const auto range = parse_content_range(*head.content_range);
  if (!range || range->first != question.range.begin || range->last >= question.range.end) {
    return refuse(Errc::corrupt,
                  "Content-Range '" + *head.content_range + "' is no answer to " + question.range_text());
  }
  const std::uint64_t length = range->last - range->first + 1;
  if (body && *body != length) {
    return refuse(Errc::corrupt, "Content-Length " + std::to_string(*body) + " contradicts Content-Range '" +
                                     *head.content_range + "'");
  }
  const std::uint64_t end = std::min(question.range.end, range->total.value_or(kMaxOffset));
  return Answer{
      {range->total, validator_of(head, range->total), true, head.content_type, head.caching, head.others.text()},
      range->first,
      length,
      range->last + 1 < end};
}

// 200: all of it, whatever was asked for.
Outcome<Answer> whole(const HttpHead& head, const Question& question, std::optional<std::uint64_t> body) {
  if (body && question.range.begin > 0 && *body <= question.range.begin) {
    Failure failure{Error::make(Errc::invalid_range, "the object has " + std::to_string(*body) + " bytes")};
    failure.size = body;
    return tl::unexpected(std::move(failure));
  }
  // To a Range it would have been a 206, were there ranges; but for one that is everything a 200 will do.
  const bool everything = question.range == ByteRange{0, kMaxOffset};
  const bool ranges = (everything || !question.ranged) && head.accept_ranges == "bytes";
  return Answer{
      {body, validator_of(head, body), ranges, head.content_type, head.caching, head.others.text()}, 0, body, false};
}

// Of what validator_of() makes when there is no strong one.
std::pair<std::string_view, std::string_view> split_size(std::string_view weak) {
  const std::size_t at = weak.rfind(';');
  return at == std::string_view::npos ? std::pair(weak, std::string_view())
                                      : std::pair(weak.substr(0, at), weak.substr(at + 1));
}

}  // namespace

std::string Question::range_text() const {
  return "bytes=" + std::to_string(range.begin) + "-" +
         (range.end == kMaxOffset ? std::string() : std::to_string(range.end - 1));
}

std::optional<std::string> Question::if_match_text() const {
  const std::string& tag = if_match.value;
  const bool quoted = tag.size() >= 2 && tag.front() == '"' && tag.back() == '"';
  const bool clean = std::none_of(tag.begin(), tag.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte <= 0x20 || byte == 0x7f;
  });
  return if_match.kind == Validator::Kind::strong && quoted && clean ? std::optional(tag) : std::nullopt;
}

Outcome<Answer> judge(const HttpHead& head, const Question& question) {
  if (is_refused_range(head, question)) {
    return past_the_end(head, question);
  }
  const bool is_part = head.status == 206 && !question.head && question.ranged;
  if (!is_part && head.status != 200 && head.status != 203) {
    return refused(head, question);
  }
  if (!head.content_encoding.empty()) {
    return refuse(Errc::corrupt, "Content-Encoding '" + head.content_encoding + "', though identity was asked for");
  }
  if (!head.transfer_coding.empty() && head.transfer_coding != "chunked" && head.transfer_coding != "identity") {
    return refuse(Errc::corrupt, "Transfer-Encoding '" + head.transfer_coding + "', though none was asked for");
  }
  auto body = head.body_length();
  if (!body) {
    return tl::unexpected(Failure{std::move(body.error())});
  }
  auto answer = is_part ? part(head, question, *body) : whole(head, question, *body);
  if (answer && !agree(question.if_match, answer->object.validator)) {
    return changed(question.if_match, answer->object.validator);
  }
  return answer;
}

bool refuses_ranges_from_zero(const HttpHead& head, const Question& question) {
  return is_refused_range(head, question) && question.range.begin == 0 &&
         !(head.content_range && parse_unsatisfied_range(*head.content_range));
}

Validator validator_of(const HttpHead& head, std::optional<std::uint64_t> size) {
  const std::string tag = head.etag.value_or("");
  if (tag.size() >= 2 && tag.front() == '"' && tag.back() == '"') {
    return {Validator::Kind::strong, tag};
  }
  if (tag.empty() && head.caching.last_modified.empty()) {
    return {};
  }
  // A tag without quotes is none by the book, yet it tells versions apart.
  return {Validator::Kind::weak,
          tag + (tag.empty() ? "" : ";") + head.caching.last_modified + ";" + (size ? std::to_string(*size) : "")};
}

bool agree(const Validator& wanted, const Validator& found) {
  if (wanted.kind == Validator::Kind::none || wanted == found) {
    return true;
  }
  if (wanted.kind != Validator::Kind::weak || found.kind == Validator::Kind::strong) {
    return false;
  }
  if (found.kind == Validator::Kind::none) {
    return true;
  }
  const auto [wanted_text, wanted_size] = split_size(wanted.value);
  const auto [found_text, found_size] = split_size(found.value);
  return wanted_text == found_text && (wanted_size.empty() || found_size.empty() || wanted_size == found_size);
}

std::optional<std::chrono::milliseconds> parse_retry_after(const std::string& text,
                                                           std::chrono::system_clock::time_point now) {
  using std::chrono::milliseconds;
  using std::chrono::seconds;
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max() / 1000;  // seconds
  if (const auto number = parse_number(text, kMost)) {
    return seconds(*number);
  }
  const auto second = std::chrono::floor<seconds>(now);
  const auto date = parse_http_date(text, second);
  return date ? std::optional<milliseconds>(std::max(*date - second, seconds(0))) : std::nullopt;
}

}  // namespace strandline::origin::http
