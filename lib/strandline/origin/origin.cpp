#include <strandline/origin/origin.h>

namespace strandline::origin {
namespace {

Failure cannot(const Origin& origin, std::string_view what) noexcept {
  try {
    return {Error::make(Errc::unsupported, origin.name() + " cannot " + std::string(what))};
  } catch (const std::bad_alloc&) {
    return {Error::make(Errc::unsupported)};
  }
}

}  // namespace

void Origin::write(WriteRequest, Reply<ObjectInfo> reply, std::stop_token) noexcept {
  reply(tl::unexpected(cannot(*this, "be written to")));
}

void Origin::remove(std::string, Reply<void> reply, std::stop_token) noexcept {
  reply(tl::unexpected(cannot(*this, "remove objects")));
}

void Origin::list(ListRequest, Reply<ListPage> reply, std::stop_token) noexcept {
  reply(tl::unexpected(cannot(*this, "list its objects")));
}

void Origin::exists(std::string key, Reply<bool> reply, std::stop_token stop) noexcept {
  Reply<ObjectInfo> of_stat;
  try {
    of_stat = [reply](Outcome<ObjectInfo> found) {
      if (!found && found.error().error.code != Errc::not_found) {
        return reply(tl::unexpected(std::move(found.error())));
      }
      reply(found.has_value());
    };
  } catch (const std::bad_alloc&) {
    return reply(tl::unexpected(Failure{Error::make(Errc::no_memory)}));
  }
  stat(std::move(key), std::move(of_stat), std::move(stop));
}

void Origin::size(std::string key, Reply<std::uint64_t> reply, std::stop_token stop) noexcept {
  Reply<ObjectInfo> of_stat;
  try {
    of_stat = [this, reply](Outcome<ObjectInfo> found) {
      if (!found) {
        return reply(tl::unexpected(std::move(found.error())));
      }
      if (!found->size) {
        return reply(tl::unexpected(cannot(*this, "say how long this object is")));
      }
      reply(*found->size);
    };
  } catch (const std::bad_alloc&) {
    return reply(tl::unexpected(Failure{Error::make(Errc::no_memory)}));
  }
  stat(std::move(key), std::move(of_stat), std::move(stop));
}

}  // namespace strandline::origin
