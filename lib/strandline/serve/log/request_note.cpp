#include <strandline/drivers/file/failure.h>
#include <strandline/origin/http/protocol/syntax.h>
#include <strandline/serve/connection/answer.h>
#include <strandline/serve/http/request/request_target.h>
#include <strandline/serve/log/request_note.h>
#include <strandline/serve/log/without_secrets.h>

namespace strandline::serve {
namespace {

using std::chrono::duration_cast;
using std::chrono::microseconds;

// Of the head of an answer: the last line of the name, for an origin may have sent such fields too, which come before.
std::string_view field_of(std::string_view head, std::string_view name) {
  const auto at = head.rfind(name);
  return at == std::string_view::npos ? ""
                                      : head.substr(at + name.size(), head.find("\r\n", at + 1) - at - name.size());
}

int status_of(std::string_view head) {
  std::string_view rest = head.starts_with("HTTP/1.1 ") ? head.substr(9, 3) : "";
  return static_cast<int>(origin::http::take_number(rest, 999).value_or(0));
}

LogEntry entry_of(const Logging& logging, const Access& access, ClientSocket& client, std::string_view head) {
  LogEntry entry;
  const ClientSocket::Account& account = client.account();
  const auto total = ClientSocket::Clock::now() - account.begun;
  entry.time = std::chrono::system_clock::now() - duration_cast<std::chrono::system_clock::duration>(total);
  entry.status = status_of(account.head);
  entry.sent = account.sent;
  entry.cache = field_of(account.head, "\r\nCache-Status: strandline; ");
  entry.reason = without_secrets(account.reason);
  entry.waited = account.waited_for_bytes;
  entry.wait = duration_cast<microseconds>(account.waited);
  entry.total = duration_cast<microseconds>(total);
  if (head.empty()) {
    return entry;
  }
  RequestHead request = RequestHead::parse(head);
  entry.range = std::move(request.range).value_or("");
  if (const auto target = http::parse_request_target(request.target, request.host)) {
    entry.user = access.user({request.host, request.authorization, target->path, client.user()});
    entry.path = target->path;
    entry.query = logging.queries ? target->query.value_or("") : "";
  }
  entry.method = std::move(request.method);
  return entry;
}

}  // namespace

void note_request(const Logging& logging, const Access& access, ClientSocket& client, std::string_view head) noexcept {
  if (logging.log == nullptr || (head.empty() && client.account().sent == 0)) {
    return;
  }
  static_cast<void>(file::contained([&]() -> Result<void> {
    LogEntry entry = entry_of(logging, access, client, head);
    entry.client = client.peer();
    logging.log->write(std::move(entry));
    return {};
  }));
}

}  // namespace strandline::serve
