#include "answer.h"

#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>

namespace strandline::tool {

Answer::Answer(std::string_view command, bool json)
    : command_(command),
      json_(json),
      terminal_(!json && ::isatty(STDOUT_FILENO) == 1),
      progress_(!json && ::isatty(STDERR_FILENO) == 1) {}

void Answer::print(const std::string& text) {
  errno = 0;
  if (refused_ == 0 && std::fwrite(text.data(), 1, text.size(), stdout) != text.size()) {
    refused_ = errno != 0 ? errno : EIO;
  }
}

void Answer::line(std::string_view text) {
  if (!json_) {
    print(std::string(text) + "\n");
  }
}

void Answer::object(const Json& object) {
  if (json_) {
    // No UTF-8 may be the system's words, and paths; keys always are: put_key() sees to it.
    print(object.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n");
  }
}

int Answer::failed(const Error& error) {
  return failed(error, kExitFailed);
}

int Answer::failed(const Error& error, int exit_code) {
  object({{"event", "error"},
          {"exit", exit_code},
          {"code", std::string(to_string(error.code))},
          {"message", error.message()}});
  std::fflush(stdout);  // in the order in which it came, where both lead to one place
  report(command_, error);
  return exit_code;
}

int Answer::done(int exit_code) {
  errno = 0;
  if (refused_ == 0 && std::fflush(stdout) != 0) {
    refused_ = errno != 0 ? errno : EIO;
  }
  if (refused_ == 0) {
    return exit_code;
  }
  if (refused_ == EPIPE) {
    return kExitSignal + SIGPIPE;
  }
  report(command_, Error::system(refused_, "write", "standard output"));
  return exit_code == kExitOk ? kExitFailed : exit_code;
}

}  // namespace strandline::tool
