// The bytes of a client, from the first parser to the bytes of the answer: StrictHead, the target, who may ask, ranges,
// conditions, and what is sent of an object whose bytes are known. What is sent is read by a reader of its own, and
// says of itself what it is: no length, range or part that its bytes are not. What the strict parser lets pass is read
// alike by a naive one, however the bytes come in pieces.
//
// Input: which object, and where the bytes are cut in two; then the bytes, of requests one behind the other. They are
// also taken for a note on an object, whose first line they lack: what is read from it is what would be written, and
// makes no other answer.
#include <strandline/serve/access/access.h>
#include <strandline/serve/connection/answer.h>
#include <strandline/serve/http/request/request_target.h>
#include <strandline/serve/http/request/strict_head.h>

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace strandline;
using namespace strandline::serve;

namespace {

using Lines = std::vector<std::pair<std::string, std::string>>;  // names in lower case, and values

constexpr std::size_t kSize = 1000;

void require(bool holds, const char* what) {
  if (!holds) {
    std::fprintf(stderr, "http_request: %s\n", what);
    std::abort();
  }
}

const std::string& content() {
  static const std::string bytes = [] {
    std::string made;
    for (std::uint32_t i = 1; made.size() < kSize; i = i * 1103515245 + 12345) {
      made += static_cast<char>(i >> 16);
    }
    return made;
  }();
  return bytes;
}

// Of a length that is known, or not, or none.
Objects::Open object_of(std::uint8_t kind) {
  const std::optional<std::uint64_t> sizes[] = {kSize, std::nullopt, 0};
  origin::ObjectInfo info;
  info.size = sizes[kind % 3];
  info.validator = {Validator::Kind::strong, "\"v1\""};
  info.content_type = "video/mp4";
  info.caching.last_modified = "Tue, 15 Nov 1994 12:45:26 GMT";
  return {nullptr, std::make_shared<Unshared>(Unshared{{}, std::move(info), {}})};
}

std::string lower(std::string_view text) {
  std::string made(text);
  std::transform(made.begin(), made.end(), made.begin(), [](unsigned char c) { return std::tolower(c); });
  return made;
}

// Lines as a parser divides them that thinks of nothing bad. Empty: none.
Lines lines_of(std::string_view head) {
  Lines lines;
  head.remove_prefix(std::min(head.size(), head.find("\r\n") + 2));
  while (!head.empty() && !head.starts_with("\r\n")) {
    const auto end = head.find("\r\n");
    const auto colon = head.find(':');
    require(end != std::string_view::npos && colon < end, "a line without a colon, or without an end");
    std::string value(head.substr(colon + 1, end - colon - 1));
    value.erase(0, value.find_first_not_of(" \t"));
    value.erase(value.find_last_not_of(" \t") + 1);
    lines.emplace_back(lower(head.substr(0, colon)), std::move(value));
    head.remove_prefix(end + 2);
  }
  return lines;
}

std::optional<std::string> one(const Lines& lines, const char* name) {
  std::optional<std::string> found;
  for (const auto& [known, value] : lines) {
    require(known != name || !found, "a field that comes once has come twice");
    found = known == name ? std::optional(value) : found;
  }
  return found;
}

// What is let pass, byte for byte.
void check_head(std::string_view head, const RequestHead& request) {
  for (std::size_t i = 0; i < head.size(); ++i) {
    require(head[i] != '\0' && (head[i] != '\n' || (i > 0 && head[i - 1] == '\r')), "NUL, or a bare LF");
    require(head[i] != '\r' || (i + 1 < head.size() && head[i + 1] == '\n'), "a bare CR");
    require(head[i] != '\n' || i + 1 == head.size() || (head[i + 1] != ' ' && head[i + 1] != '\t'), "a folded line");
  }
  require(head.ends_with("\r\n\r\n") && head.find("\r\n\r\n") + 4 == head.size(), "not one head");
  const Lines lines = lines_of(head);
  require(request.method == head.substr(0, head.find(' ')), "another method");
  require(request.target == head.substr(request.method.size() + 1,
                                        head.find(' ', request.method.size() + 1) - request.method.size() - 1),
          "another target");
  require(request.host == one(lines, "host"), "another host");
  require(request.host || request.version == "1.0", "no host");
  const bool has_length = one(lines, "content-length").has_value();
  const bool has_coding =
      std::any_of(lines.begin(), lines.end(), [](const auto& line) { return line.first == "transfer-encoding"; });
  require(!has_length || !has_coding, "two lengths of a body");
}

// The bytes that a connection would carry.
std::string bytes_of(const Selected& selected) {
  std::string bytes = selected.head;
  for (std::size_t i = 0; i < selected.parts.size(); ++i) {
    const ByteRange part = selected.parts[i];
    require(part.begin < part.end && part.begin < kSize, "a part of nothing");
    require(part.end <= kSize || (part.end == kMaxOffset && i + 1 == selected.parts.size()), "a part past the end");
    const std::string of = content().substr(part.begin, std::min<std::uint64_t>(part.end, kSize) - part.begin);
    bytes += i < selected.part_heads.size() ? selected.part_heads[i] : "";
    bytes += selected.chunked ? chunk_head(of.size()) + of + "\r\n0\r\n\r\n" : of;
  }
  return bytes + selected.tail;
}

std::uint64_t number(std::string_view text) {
  require(!text.empty() && text.size() < 19 && text.find_first_not_of("0123456789") == std::string_view::npos,
          "no number");
  return std::stoull(std::string(text));
}

// "bytes 0-9/1000", and just those bytes.
void check_part(std::string_view range, std::string_view body) {
  require(range.starts_with("bytes ") && range.ends_with("/1000"), "no Content-Range of this object");
  range = range.substr(6, range.size() - 11);
  const auto dash = range.find('-');
  require(dash != std::string_view::npos, "no Content-Range");
  const std::uint64_t first = number(range.substr(0, dash));
  const std::uint64_t last = number(range.substr(dash + 1));
  require(first <= last && last < kSize, "a range outside");
  require(body == std::string_view(content()).substr(first, last + 1 - first), "other bytes than it says");
}

void check_parts(std::string_view type, std::string_view body) {
  const auto at = type.find("boundary=");
  require(type.starts_with("multipart/byteranges;") && at != std::string_view::npos, "no multipart");
  const std::string line = "--" + std::string(type.substr(at + 9));
  int parts = 0;
  for (; !body.starts_with(line + "--\r\n"); ++parts) {
    require(body.starts_with(line + "\r\n"), "no part where one is to begin");
    const auto head_end = body.find("\r\n\r\n") + 4;
    const auto range = one(lines_of(body.substr(0, head_end)), "content-range");
    require(range.has_value(), "a part without a range");
    const auto end = body.find("\r\n" + line, head_end - 2);
    require(end != std::string_view::npos, "a part without an end");
    check_part(*range, body.substr(head_end, end - head_end));
    body.remove_prefix(end + 2);
  }
  require(parts >= 2 && parts <= 16 && body == line + "--\r\n", "too many parts, or something behind them");
}

void check_answer(std::string_view bytes, const RequestHead* request, std::uint8_t kind) {
  const auto end = bytes.find("\r\n\r\n");
  require(bytes.starts_with("HTTP/1.1 ") && end != std::string_view::npos, "no head");
  const auto head = bytes.substr(0, end + 4);
  std::string_view body = bytes.substr(end + 4);
  const auto status = number(head.substr(9, 3));
  const Lines lines = lines_of(head);
  for (const auto& [name, value] : lines) {
    require(!name.empty() && value.find_first_of(std::string_view("\r\n\0", 3)) == std::string::npos,
            "a line in a line");
  }
  const auto length = one(lines, "content-length");
  const auto range = one(lines, "content-range");
  const bool chunked = one(lines, "transfer-encoding").has_value();
  const bool closes = one(lines, "connection") == "close";
  if (request != nullptr && request->method == "HEAD") {
    require(body.empty(), "an answer to HEAD has a body");
    return;
  }
  if (status == 304) {
    require(body.empty() && !length, "a 304 has a body");
    return;
  }
  require(length.has_value() != (chunked || (closes && !length)), "its end is told in two ways, or in none");
  require(!length || number(*length) == body.size(), "another length than it says");
  if (status == 206) {
    require(request != nullptr && request->range && request->method == "GET" && kind % 3 == 0,
            "nobody asked for a part");
    range ? check_part(*range, body) : check_parts(*one(lines, "content-type"), body);
  } else if (status == 200) {
    require(!range, "a 200 with a range");
    const std::string all = kind % 3 == 2 ? "" : content();
    require(body == (chunked ? chunk_head(all.size()) + all + "\r\n0\r\n\r\n" : all), "not all of it");
  } else if (status == 416) {
    require(range == "bytes */" + std::to_string(kind % 3 == 0 ? kSize : 0) && body.empty(), "a 416 of another length");
  } else {
    require(status >= 400 && !range && body.find("video") == std::string_view::npos, "no refusal");
  }
}

void check_note(std::string_view bytes) {
  const std::string note = "strandline serve 1\n" + std::string(bytes);
  const auto said = said_in(std::as_bytes(std::span(note)));
  if (!said) {
    return;
  }
  require(note_of(*said) == note, "a note that would be written otherwise");
  require(note.size() <= store::kMaxNote, "a note that could not be");
  origin::ObjectInfo info = said->info;
  info.size = kSize;
  info.validator = {Validator::Kind::strong, "\"v1\""};
  const auto object = std::make_shared<Unshared>(Unshared{{}, std::move(info), freshness_of(*said)});
  const auto head = RequestHead::parse("GET / HTTP/1.1\r\nHost: a\r\nRange: bytes=0-9\r\n\r\n");
  check_answer(bytes_of(select_answer(head, {nullptr, object})), &head, 0);
}

// False: the connection ends here.
bool answer(std::string_view head, std::uint8_t kind) {
  static const Access access{.tokens = std::nullopt, .certificates = false, .hosts = {}, .cors = {}};
  const RequestHead request = RequestHead::parse(head);
  check_head(head, request);
  const bool head_only = request.method == "HEAD";
  const auto target = http::parse_request_target(request.target, request.host);
  const auto refusal_by_method = refusal_of_method(request.method);
  if (!target || refusal_by_method) {
    check_answer(refusal_text(refusal_by_method ? *refusal_by_method : target.error(), true, head_only), &request,
                 kind);
    return false;
  }
  require(target->path.starts_with('/') && target->decoded_path().find('\0') == std::string::npos, "a bad path");
  if (const auto refusal = access.refusal({request.host, request.authorization, target->path, {}})) {
    check_answer(refusal_text(*refusal, request.close, head_only), &request, kind);
    return !request.close;
  }
  const Selected selected = select_answer(request, object_of(kind));
  check_answer(bytes_of(selected), &request, kind);
  return !selected.close;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) {
    return 0;
  }
  const std::uint8_t kind = data[0];
  const std::size_t cut = data[1];
  std::string_view bytes(reinterpret_cast<const char*>(data) + 2, size - 2);
  check_note(bytes);
  for (int requests = 0; requests < 8; ++requests) {
    http::StrictHead at_once;
    const auto head = at_once.look(bytes);
    http::StrictHead in_pieces;
    auto again = in_pieces.look(bytes.substr(0, std::min(cut, bytes.size())));
    again = again && !*again ? in_pieces.look(bytes) : again;
    require(head.has_value() == again.has_value(), "in pieces it is another head");
    if (!head) {
      require(head.error().status == again.error().status, "in pieces it is refused for something else");
      check_answer(refusal_text(head.error(), true), nullptr, kind);
      return 0;
    }
    require(*head == *again, "in pieces it is another head");
    if (!*head || !answer(**head, kind)) {
      return 0;
    }
    bytes.remove_prefix(static_cast<std::size_t>((*head)->data() + (*head)->size() - bytes.data()));
  }
  return 0;
}
