#include <strandline/serve/log/without_secrets.h>

#include <algorithm>

namespace strandline::serve {
namespace {

constexpr std::size_t kMost = 1000;  // bytes of a message
constexpr std::string_view kSpace = " \t\r\n";

}  // namespace

std::string without_secrets(std::string_view message) {
  std::string text;
  while (!message.empty() && text.size() < kMost) {
    const auto end = std::min(message.find_first_of(kSpace), message.size());
    std::string_view word = message.substr(0, end);
    message.remove_prefix(end);
    const auto query = std::min(word.find('?'), word.size());
    // What ends the word is not the query's, as in "(redirected to http://host/a?b): ...".
    const auto last = word.find_last_not_of(":),'");
    const std::string_view behind = query < word.size() && last != std::string_view::npos && last >= query
                                        ? word.substr(last + 1)
                                        : std::string_view();
    const std::string_view shown = word.substr(0, query);
    const auto slashes = shown.find("://");
    const auto host = slashes == std::string_view::npos ? shown.size() : slashes + 3;
    const auto path = std::min(shown.find_first_of("/#", host), shown.size());
    const auto at = shown.substr(0, path).rfind('@');
    text += shown.substr(0, host);
    text += shown.substr(at != std::string_view::npos && at >= host ? at + 1 : host);
    text += behind;
    const auto next = std::min(message.find_first_not_of(kSpace), message.size());
    text += message.substr(0, next);
    message.remove_prefix(next);
  }
  text.resize(std::min(text.size(), kMost));
  return text;
}

}  // namespace strandline::serve
