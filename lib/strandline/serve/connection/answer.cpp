#include <strandline/origin/http/protocol/http_date.h>
#include <strandline/origin/http/protocol/syntax.h>
#include <strandline/serve/connection/answer.h>
#include <strandline/serve/http/caching/cache_status.h>
#include <strandline/serve/http/selection/byte_ranges.h>
#include <strandline/serve/http/selection/conditions.h>
#include <strandline/serve/http/selection/multipart.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <random>
#include <utility>

namespace strandline::serve {
namespace {

using http::Refusal;

std::string_view phrase_of(int status) noexcept {
  switch (status) {
    case 200:
      return "OK";
    case 202:
      return "Accepted";
    case 206:
      return "Partial Content";
    case 304:
      return "Not Modified";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 411:
      return "Length Required";
    case 412:
      return "Precondition Failed";
    case 413:
      return "Content Too Large";
    case 414:
      return "URI Too Long";
    case 415:
      return "Unsupported Media Type";
    case 416:
      return "Range Not Satisfiable";
    case 417:
      return "Expectation Failed";
    case 421:
      return "Misdirected Request";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 502:
      return "Bad Gateway";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    case 505:
      return "HTTP Version Not Supported";
    case 508:
      return "Loop Detected";  // RFC 5842, section 7.2
    default:
      return "";  // the phrase is for people (RFC 9112, section 4)
  }
}

// Lines of one field are one list (RFC 9110, section 5.3).
void add(std::optional<std::string>& field, std::string_view value) {
  field = field ? *field + ", " + std::string(value) : std::string(value);
}

std::optional<std::string_view> view_of(const std::optional<std::string>& field) {
  return field ? std::optional<std::string_view>(*field) : std::nullopt;
}

}  // namespace

RequestHead RequestHead::parse(std::string_view head) {
  RequestHead request;
  const auto line = [&] {
    const auto end = head.find("\r\n");
    const auto text = head.substr(0, end);
    head.remove_prefix(end + 2);
    return text;
  };
  const auto first = line();
  const auto space = first.find(' ');
  const auto second = first.rfind(' ');
  request.method = first.substr(0, space);
  request.target = first.substr(space + 1, second - space - 1);
  request.version = first.substr(first.rfind('/') + 1);
  request.close = request.version == "1.0";  // to which nothing is promised
  for (auto text = line(); !text.empty(); text = line()) {
    const auto colon = text.find(':');
    const std::string name = origin::http::lower_case(text.substr(0, colon));
    const auto value = origin::http::trimmed(text.substr(colon + 1));
    const std::pair<std::string_view, std::optional<std::string>&> fields[] = {
        {"host", request.host},
        {"range", request.range},
        {"if-match", request.if_match},
        {"if-unmodified-since", request.if_unmodified_since},
        {"if-none-match", request.if_none_match},
        {"if-modified-since", request.if_modified_since},
        {"if-range", request.if_range},
        {"cache-control", request.cache_control},
        {"authorization", request.authorization},
        {"origin", request.origin},
        {"sec-fetch-site", request.sec_fetch_site},
        {"content-type", request.content_type},
        {"content-length", request.content_length},
        {"expect", request.expect},
        {"via", request.via}};
    for (const auto& [known, field] : fields) {
      if (name == known) {
        add(field, value);
      }
    }
    if (name == "connection") {
      request.close = request.close || origin::http::has_member(value, "close");
    } else if (name == "transfer-encoding" || (name == "content-length" && value != "0")) {
      request.close = true;  // a body, of which GET and HEAD make nothing (RFC 9110, section 9.3.1): it is not read
    }
  }
  return request;
}

AnswerHead::AnswerHead(int status, bool close, std::string_view date) {
  text_.reserve(512);  // what most take
  text_.append("HTTP/1.1 ").append(std::to_string(status)).append(" ").append(phrase_of(status)).append("\r\n");
  field("Date", date.empty() ? origin::http::http_date(wall_clock()) : date);
  if (close) {
    field("Connection", "close");
  }
}

AnswerHead& AnswerHead::field(std::string_view name, std::string_view value) {
  text_.append(name).append(": ").append(value).append("\r\n");
  return *this;
}

AnswerHead& AnswerHead::fields(std::string_view lines) {
  text_.append(lines);
  return *this;
}

std::string refusal_fields(const Refusal& refusal) {
  std::string lines;
  if (refusal.status == 401) {
    // RFC 6750, section 3; RFC 7617, section 2.
    lines = "WWW-Authenticate: Bearer realm=\"strandline\", Basic realm=\"strandline\", charset=\"UTF-8\"\r\n";
  }
  if (refusal.retry_after) {
    lines += "Retry-After: " + std::to_string(refusal.retry_after->count()) + "\r\n";
  }
  return lines;
}

std::string refusal_text(Refusal refusal, bool close, bool head_only) {
  const std::string body = std::string(refusal.reason) + "\n";
  AnswerHead head(refusal.status, close);
  if (refusal.status == 405) {
    head.field("Allow", "GET, HEAD");
  }
  head.fields(refusal_fields(refusal))
      .field("Content-Type", "text/plain; charset=utf-8")
      .field("Content-Length", std::to_string(body.size()));
  return head.text() + (head_only ? "" : body);
}

std::string chunk_head(std::uint64_t size) {
  std::array<char, 20> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), size, 16).ptr;
  return std::string(digits.data(), end) + "\r\n";
}

std::optional<Refusal> refusal_of_method(std::string_view method) noexcept {
  // RFC 9110, section 9.3, and RFC 5789. Upper and lower case differ. StrictHead refuses CONNECT.
  constexpr std::array<std::string_view, 6> kOthers = {"POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH"};
  if (method == "GET" || method == "HEAD") {
    return std::nullopt;
  }
  return std::find(kOthers.begin(), kOthers.end(), method) != kOthers.end()
             ? Refusal{405, "only GET and HEAD"}
             : Refusal{501, "a method that is not known here"};
}

namespace {

Refusal refusal_of(const origin::Failure& failure) noexcept {
  if (failure.retry_after) {
    return {503, "the origin asks for a pause", std::chrono::ceil<std::chrono::seconds>(*failure.retry_after)};
  }
  switch (failure.error.code) {
    case Errc::not_found:
    case Errc::invalid_argument:  // a name that nothing can have there
      return {404, "the origin has no such object"};
    case Errc::permission_denied:
      return {403, "the origin does not allow it"};
    case Errc::timed_out:
      return {504, "the origin does not answer"};
    case Errc::no_memory:
    case Errc::no_space:
    case Errc::too_many_files:
    case Errc::busy:
    case Errc::cancelled:
    case Errc::interrupted:
      return {503, "not now"};
    default:
      return {502, "the origin cannot be read"};
  }
}

}  // namespace

Hindrance hindrance_of(const origin::Failure& failure, http::CacheStatus status) {
  Hindrance hindrance{failure.error.clone(), refusal_of(failure)};
  const bool has_answered = failure.http_status != 0 || failure.error.code == Errc::not_found;
  if (has_answered && status.forward) {
    status.forward_status = failure.http_status;
    status.detail = to_string(failure.error.code);
    hindrance.fields = "Cache-Status: " + status.text() + "\r\n";
  }
  return hindrance;
}

namespace {

// What is known of an object, for every answer that has its ETag.
class ObjectAnswer {
 public:
  ObjectAnswer(const Objects::Open& open, std::chrono::sys_seconds at)
      : said_(open.object ? open.object->described : open.unshared->described),
        freshness_(open.object ? open.object->freshness : open.unshared->freshness),
        resource_(open.object ? &open.object->fetched.resource() : nullptr),
        length_(resource_ != nullptr ? resource_->length() : open.unshared->info.size),
        status_(open.status),
        at_(at) {}
  [[nodiscard]] const http::Version& version() const noexcept { return said_.version; }
  [[nodiscard]] std::optional<std::uint64_t> length() const noexcept { return length_; }
  [[nodiscard]] const std::string& content_type() const noexcept { return said_.content_type; }

  // `wanted`: what is sent of it. `new_to_it`: the client has nothing of it yet, as far as it says.
  [[nodiscard]] AnswerHead head(int status, bool close, const std::vector<ByteRange>& wanted, bool new_to_it) const {
    AnswerHead head(status, close, said_.date);
    head.fields(said_.fields)
        .fields(new_to_it ? said_.others : std::string())
        .field("Age", freshness_.age_text(at_))
        .field("Cache-Status", cache_status(wanted));
    return head;
  }

 private:
  [[nodiscard]] std::string cache_status(const std::vector<ByteRange>& wanted) const {
    using Forward = http::CacheStatus::Forward;
    http::CacheStatus status = status_;
    if (resource_ == nullptr) {
      status.forward = Forward::bypass;
      return status.text();
    }
    const auto is_here = [&](ByteRange range) { return resource_->contains(range); };
    if (!std::all_of(wanted.begin(), wanted.end(), is_here)) {
      if (!status.forward) {
        status.forward = has_anything(*resource_) ? Forward::partial : Forward::uri_miss;
      }
      status.stored = true;
    }
    status.ttl = (freshness_.lifetime() - freshness_.age(at_)).count();
    return status.text();
  }

  const Described& said_;
  const http::Freshness& freshness_;
  const Resource<store::EntryDriver>* const resource_;  // null: it is passed on
  const std::optional<std::uint64_t> length_;
  const http::CacheStatus status_;
  const std::chrono::sys_seconds at_;
};

}  // namespace

std::string with_fields(std::string answer, std::string_view lines) {
  answer.insert(answer.find("\r\n") + 2, lines);
  return answer;
}

ByteRange first_read(const RequestHead& request) {
  const bool conditional =
      request.if_match || request.if_unmodified_since || request.if_none_match || request.if_modified_since;
  if (request.method == "HEAD" || conditional) {
    return {};
  }
  constexpr std::uint64_t kAtOnce = 4 << 20;  // behind which the filler decides what is asked for, and of whom
  const auto asked = request.range ? http::requested_ranges(*request.range, std::nullopt) : http::RequestedRanges{};
  if (asked.kind == http::RequestedRanges::Kind::needs_length) {
    return {0, 1};  // whose answer tells it, and more surely than a HEAD's
  }
  if (asked.kind != http::RequestedRanges::Kind::parts && asked.kind != http::RequestedRanges::Kind::whole) {
    return {};
  }
  const ByteRange first = asked.parts.empty() ? ByteRange{0, kMaxOffset} : asked.parts.front();
  return {first.begin, std::min(first.end, first.begin + std::min(kAtOnce, kMaxOffset - first.begin))};
}

Selected select_answer(const RequestHead& request, const Objects::Open& open) {
  const auto at = wall_clock();
  const ObjectAnswer answer(open, at);
  const auto length = answer.length();
  const bool head_only = request.method == "HEAD";
  // While nobody knows how long it is, all of it is sent, which a server may do (RFC 9110, section 14.2).
  const auto asked =
      request.range && !head_only && length ? http::requested_ranges(*request.range, length) : http::RequestedRanges{};
  using Kind = http::RequestedRanges::Kind;
  const http::ConditionalFields fields{.if_match = view_of(request.if_match),
                                       .if_unmodified_since = view_of(request.if_unmodified_since),
                                       .if_none_match = view_of(request.if_none_match),
                                       .if_modified_since = view_of(request.if_modified_since),
                                       .if_range = view_of(request.if_range),
                                       .ranged = asked.kind == Kind::parts || asked.kind == Kind::unsatisfiable};
  const auto selection = http::select(fields, answer.version(), at);
  Selected selected;
  selected.close = request.close;
  if (selection == http::Selection::not_modified) {
    selected.status = 304;
    selected.head = answer.head(304, selected.close, {}, false).text();
    return selected;
  }
  if (selection == http::Selection::precondition_failed) {
    selected.status = 412;
    selected.head = refusal_text({412, "another version is here"}, selected.close, head_only);
    return selected;
  }
  if (selection == http::Selection::parts && asked.kind == Kind::unsatisfiable) {
    selected.status = 416;
    selected.head = answer.head(416, selected.close, {}, false)
                        .field("Content-Range", http::unsatisfied_content_range(length.value_or(0)))
                        .field("Content-Length", "0")
                        .text();
    return selected;
  }
  const std::string& type = answer.content_type();
  if (selection == http::Selection::parts) {
    selected.status = 206;
    selected.parts = asked.parts;
    AnswerHead head = answer.head(206, selected.close, selected.parts, !request.if_range);
    if (asked.parts.size() == 1) {
      head.field("Content-Type", type)
          .field("Content-Range", http::content_range(asked.parts[0], length))
          .field("Content-Length", std::to_string(asked.parts[0].size()));
    } else {
      std::random_device random;
      const auto number = [&] { return std::uint64_t{random()} << 32 | random(); };
      const std::array<std::uint64_t, 2> secret{number(), number()};
      const http::Multipart multipart(asked.parts, length, type, secret);
      head.field("Content-Type", multipart.content_type())
          .field("Content-Length", std::to_string(multipart.content_length()));
      selected.part_heads = multipart.heads();
      selected.tail = multipart.tail();
    }
    selected.head = head.text();
    return selected;
  }
  if (!length) {
    selected.chunked = request.version != "1.0";
    selected.close = selected.close || !selected.chunked;
  }
  if (!head_only && length != 0U) {
    selected.parts.push_back({0, length.value_or(kMaxOffset)});
  }
  AnswerHead head = answer.head(200, selected.close, selected.parts, true);
  head.field("Content-Type", type);
  if (length) {
    head.field("Content-Length", std::to_string(*length));
  } else if (selected.chunked) {
    head.field("Transfer-Encoding", "chunked");
  }
  selected.head = head.text();
  return selected;
}

}  // namespace strandline::serve
