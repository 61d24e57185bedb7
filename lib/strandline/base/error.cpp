#include <strandline/base/error.h>

#include <cerrno>
#include <exception>

namespace strandline {
namespace {

// One row per Errc: its name, a sentence for people, and the portable condition it is a case of
// (zero where the standard has no such word).
struct Row {
  std::string_view name;
  std::string_view sentence;
  std::errc condition;
};

constexpr Row row(Errc code) noexcept {
  switch (code) {
    case Errc::invalid_range:
      return {"invalid_range", "not a range of bytes this call accepts", std::errc::invalid_argument};
    case Errc::invalid_argument:
      return {"invalid_argument", "an option that makes no sense", std::errc::invalid_argument};
    case Errc::not_available:
      return {"not_available", "the bytes have not arrived", std::errc{}};
    case Errc::evicted:
      return {"evicted", "the bytes are gone", std::errc{}};
    case Errc::committed:
      return {"committed", "the content is complete and final", std::errc{}};
    case Errc::failed:
      return {"failed", "the producer gave up", std::errc{}};
    case Errc::cancelled:
      return {"cancelled", "the owner shut the resource down", std::errc::operation_canceled};
    case Errc::incomplete:
      return {"incomplete", "bytes are missing", std::errc{}};
    case Errc::no_writer:
      return {"no_writer", "nobody is going to write the bytes", std::errc{}};
    case Errc::busy:
      return {"busy", "somebody else holds it", std::errc::device_or_resource_busy};
    case Errc::conflict:
      return {"conflict", "contradicts what is there", std::errc{}};
    case Errc::no_space:
      return {"no_space", "no space left", std::errc::no_space_on_device};
    case Errc::no_memory:
      return {"no_memory", "no memory left", std::errc::not_enough_memory};
    case Errc::io:
      return {"io", "the storage failed", std::errc::io_error};
    case Errc::corrupt:
      return {"corrupt", "stored data that contradicts itself", std::errc{}};
    case Errc::unsupported:
      return {"unsupported", "not supported here", std::errc::not_supported};
    case Errc::changed:
      return {"changed", "the source is not what it was", std::errc{}};
    case Errc::too_large:
      return {"too_large", "past what the storage or a cap allows", std::errc::file_too_large};
    case Errc::timed_out:
      return {"timed_out", "the deadline passed", std::errc::timed_out};
    case Errc::interrupted:
      return {"interrupted", "the call was interrupted", std::errc::interrupted};
    case Errc::not_found:
      return {"not_found", "no such file or object", std::errc::no_such_file_or_directory};
    case Errc::permission_denied:
      return {"permission_denied", "not allowed", std::errc::permission_denied};
    case Errc::too_many_files:
      return {"too_many_files", "no descriptor left", std::errc::too_many_files_open};
  }
  return {"unknown", "an error code this version does not know", std::errc{}};
}

class Category final : public std::error_category {
 public:
  [[nodiscard]] const char* name() const noexcept override { return "strandline"; }

  [[nodiscard]] std::string message(int value) const override {
    return std::string(row(static_cast<Errc>(value)).sentence);
  }

  [[nodiscard]] std::error_condition default_error_condition(int value) const noexcept override {
    const std::errc condition = row(static_cast<Errc>(value)).condition;
    return condition == std::errc{} ? std::error_condition(value, *this) : std::make_error_condition(condition);
  }
};

// The parts joined by single spaces; empty when there is no memory for them.
std::string joined(std::string_view first, std::string_view second) noexcept {
  try {
    std::string text;
    text.reserve(first.size() + 1 + second.size());
    text += first;
    if (!first.empty() && !second.empty()) {
      text += ' ';
    }
    text += second;
    return text;
  } catch (const std::exception&) {
    return {};
  }
}

}  // namespace

const std::error_category& strandline_category() noexcept {
  static const Category category;
  return category;
}

std::error_code make_error_code(Errc code) noexcept {
  return {static_cast<int>(code), strandline_category()};
}

std::string_view to_string(Errc code) noexcept {
  return row(code).name;
}

Error Error::make(Errc code, std::string_view context) noexcept {
  return {code, {}, joined(context, {})};
}

Error Error::system(int errno_value, std::string_view what, std::string_view where) noexcept {
  return {from_errno(errno_value), std::error_code(errno_value, std::system_category()), joined(what, where)};
}

Error Error::clone() const noexcept {
  return {code, cause, joined(context, {})};
}

std::string Error::message() const {
  std::string text(to_string(code));
  if (!context.empty()) {
    text += ": ";
    text += context;
  }
  if (cause) {
    text += ": ";
    text += cause.message();
  }
  return text;
}

Errc from_errno(int errno_value) noexcept {
  switch (errno_value) {
    case ENOSPC:
    case EDQUOT:
      return Errc::no_space;
    case EFBIG:
      return Errc::too_large;
    case ENOMEM:
      return Errc::no_memory;
    case EACCES:
    case EPERM:
    case EROFS:
      return Errc::permission_denied;
    case ENOENT:
    case ENOTDIR:
      return Errc::not_found;
    case EMFILE:
    case ENFILE:
      return Errc::too_many_files;
    default:
      return Errc::io;
  }
}

}  // namespace strandline
