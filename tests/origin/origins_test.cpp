// From what a user types to an origin and a key.
#include <strandline/origin/blocking.h>
#include <strandline/origin/memory_origin.h>
#include <strandline/origin/origins.h>

#include <doctest/doctest.h>
#include <tests/origin/reading.h>

#include <filesystem>

namespace strandline::origin {
namespace {

std::string key_of(const Origins& origins, const std::string& url) {
  const auto found = origins.find(url);
  return found ? found->key : std::string(to_string(found.error().code));
}

}  // namespace

TEST_CASE("origins: paths and file URLs") {
  const Origins origins;
  const std::string here = std::filesystem::current_path();
  CHECK(key_of(origins, "/a/b") == "/a/b");
  CHECK(key_of(origins, "a b/c") == here + "/a b/c");
  CHECK(key_of(origins, "../c") == here + "/../c");
  CHECK(key_of(origins, "100%25") == here + "/100%25");
  // Names with colons are no URLs.
  for (const char* const path : {"a:b", "c:/x", ":", "://x", "1:2//3", "a b://c", "http:x", "file:x", "/http://x"}) {
    CAPTURE(path);
    CHECK(key_of(origins, path) == (path[0] == '/' ? "" : here + "/") + path);
  }
  CHECK(key_of(origins, "file:///a/b") == "/a/b");
  CHECK(key_of(origins, "FILE:///a/b") == "/a/b");
  CHECK(key_of(origins, "file:/a/b") == "/a/b");
  CHECK(key_of(origins, "file://localhost/a/b") == "/a/b");
  CHECK(key_of(origins, "file:///a%20b/%C3%A4%2f%25?x#y") == "/a b/\xc3\xa4/%?x#y");
  for (const char* const url :
       {"", "file://", "file://host/a", "file://host", "file:///a%2", "file:///a%", "file:///%zz", "file:///%00"}) {
    CAPTURE(url);
    CHECK(key_of(origins, url) == "invalid_argument");
  }
  CHECK(key_of(origins, std::string("a\0b", 3)) == "invalid_argument");
  // One origin for all of them, which reads.
  CHECK(origins.find("a")->origin == origins.find("file:///b")->origin);
  const testing::ScratchDir scratch;
  testing::make_file(scratch / "a file", 1'000);
  const auto found = origins.find("file://" + scratch.path().native() + "/a%20file");
  REQUIRE(found);
  ReadRequest request;
  request.key = found->key;
  CHECK(blocking::read(*found->origin, std::move(request), 1'000).value().bytes == bytes_for(0, 1'000));
}

TEST_CASE("origins: a scheme that is not known is unsupported, and the error names the others, and no password") {
  Origins origins;
  const auto found = origins.find("gopher+x://user:secret@host/path");
  REQUIRE_FALSE(found);
  CHECK(found.error().code == Errc::unsupported);
  CHECK(found.error().context.find("gopher+x://host/path") == 0);
  CHECK(found.error().context.find("'gopher+x'") != std::string::npos);
  CHECK(found.error().context.find("none of file, http, https") != std::string::npos);
  CHECK(found.error().context.find("secret") == std::string::npos);
}

TEST_CASE("origins: a backend joins: made once, when it is asked for, and asked again after a failure") {
  Origins origins;
  int made = 0;
  origins.add({"mem", "memory"}, [&]() -> Result<std::shared_ptr<Origin>> {
    if (++made == 1) {
      return fail(Errc::busy, "not yet");
    }
    return std::make_shared<MemoryOrigin>();
  });
  CHECK(made == 0);
  CHECK(key_of(origins, "mem://a") == "busy");
  CHECK(key_of(origins, "mem://a") == "mem://a");
  CHECK(key_of(origins, "MEMORY://b") == "MEMORY://b");
  CHECK(origins.find("mem://a")->origin == origins.find("memory://b")->origin);
  CHECK(made == 2);
  // A key that is a part of the URL; and one may be replaced.
  const auto bucket = std::make_shared<MemoryOrigin>();
  origins.add_by({"mem"}, [&](const std::string& url) -> Result<OriginAndKey> {
    return OriginAndKey{bucket, url.substr(6)};
  });
  CHECK(key_of(origins, "mem://a") == "a");
  CHECK(origins.find("mem://a")->origin == bucket);
  CHECK(key_of(origins, "memory://b") == "memory://b");
}

TEST_CASE("origins: http and https") {
  const Origins origins;
  const auto found = origins.find("http://localhost/a%20b?c");
  if (!found) {
    CHECK(found.error().code == Errc::unsupported);  // built without libcurl, as it says
    CHECK(found.error().context.find("HTTP") != std::string::npos);
    return;
  }
  CHECK(found->key == "http://localhost/a%20b?c");
  CHECK(found->origin == origins.find("HTTPS://localhost")->origin);
  CHECK(found->origin != origins.find("/file")->origin);
}

TEST_CASE("origins: what a log may see of a URL") {
  CHECK(without_credentials("http://u:p@host/a@b") == "http://host/a@b");
  CHECK(without_credentials("http://u:p@x@host?q") == "http://host?q");
  CHECK(without_credentials("http://host/a@b") == "http://host/a@b");
  CHECK(without_credentials("/a/path@x") == "/a/path@x");
  CHECK(without_credentials("http://u:p@") == "http://");
}

}  // namespace strandline::origin
