// What a request's head says of the answer, and what is said before the bytes of an object, or instead of them.
// Threads: values and pure functions. Blocks: never. Errors: none. Throws bad_alloc. Cost: short strings. Lifetime:
// values.
#pragma once

#include <strandline/serve/http/request/refusal.h>
#include <strandline/serve/objects/objects.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace strandline::serve {

struct RequestHead {
  std::string method;
  std::string target;
  bool close = false;  // the connection ends behind the answer: it is asked for, or there is a body
  std::string version = "1.1";
  std::optional<std::string> host, range, if_match, if_unmodified_since, if_none_match, if_modified_since, if_range;
  std::optional<std::string> cache_control, authorization;
  std::optional<std::string> origin, sec_fetch_site, content_type, content_length, expect;  // of what comes to "/-/"
  std::optional<std::string> via;

  // Of a head that StrictHead has let pass.
  [[nodiscard]] static RequestHead parse(std::string_view head);
};

// A status line and fields.
class AnswerHead {
 public:
  // `date`: when the origin said what is passed on (RFC 9110, section 6.6.1); empty: now.
  AnswerHead(int status, bool close, std::string_view date = {});
  AnswerHead& field(std::string_view name, std::string_view value);
  AnswerHead& fields(std::string_view lines);
  // With the empty line. At last.
  [[nodiscard]] std::string text() { return std::move(text_.append("\r\n")); }

 private:
  std::string text_;
};

// An answer with these lines in its head, too.
[[nodiscard]] std::string with_fields(std::string answer, std::string_view lines);
// What a refusal tells programs besides its status.
[[nodiscard]] std::string refusal_fields(const http::Refusal& refusal);
// With a line of text for people, but to a HEAD.
[[nodiscard]] std::string refusal_text(http::Refusal refusal, bool close, bool head_only = false);
// What goes before so many bytes of a chunked answer (RFC 9112, section 7.1).
[[nodiscard]] std::string chunk_head(std::uint64_t size);
// Of what objects are not asked for by: 405, or 501 where nobody knows what it means (RFC 9110, section 9.1).
[[nodiscard]] std::optional<http::Refusal> refusal_of_method(std::string_view method) noexcept;

// Why an answer, or the rest of it, is not sent.
struct Hindrance {
  // Past the store: it has no room, or the bytes are for one client.
  enum class Remedy : std::uint8_t { none, no_room, for_one, ask_again };

  Error why;
  http::Refusal refusal;         // what is sent where none of the answer has gone,
  std::string fields = {};       // with these lines,
  Remedy remedy = Remedy::none;  // unless this helps
};
// For what the origin, or the store, has failed in. It has a Cache-Status where it stands for what an origin has
// answered: else it is this server's own (RFC 9211, section 2).
[[nodiscard]] Hindrance hindrance_of(const origin::Failure& failure, http::CacheStatus status);

// What will be sent of an object that nothing is known of; empty: whether anything will, its state decides.
[[nodiscard]] ByteRange first_read(const RequestHead& request);

// What is sent of an object.
struct Selected {
  int status = 200;
  std::string head;
  std::vector<ByteRange> parts;         // in this order; the last may end at kMaxOffset, where no length is known
  std::vector<std::string> part_heads;  // what goes before each, when there are several
  std::string tail;                     // and behind the last
  bool chunked = false;                 // how long it is, its end tells (RFC 9112, section 7.1)
  bool close = false;                   // likewise, to a client that knows no chunks
};
[[nodiscard]] Selected select_answer(const RequestHead& request, const Objects::Open& open);

}  // namespace strandline::serve
