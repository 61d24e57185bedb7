// What every origin that can be written to promises, and what any does with odd keys.
#include <tests/origin/conformance.h>

#include <algorithm>
#include <array>
#include <barrier>
#include <map>
#include <thread>

namespace strandline::origin::conformance {
namespace {

// Does this code say that a key, or a call, is refused for good?
bool refusal(const std::string& code) {
  return code == "invalid_argument" || code == "unsupported" || code == "too_large" || code == "permission_denied";
}

// With `refuse`: also those that may be another spelling of a key, or lead elsewhere.
std::vector<std::string> odd_names(bool refuse) {
  std::vector<std::string> names = {"with space",
                                    " ",
                                    "-",
                                    "\xc3\xa4\xc3\xb6/\xe6\x97\xa5\xe6\x9c\xac",
                                    "100%",
                                    "a%2Fb",
                                    "%2e%2e/x",
                                    "q?x=1&y#z",
                                    "+;,@",
                                    "\"quoted\" 'and' `so`",
                                    "a\\b",
                                    "new\nline",
                                    "tab\t",
                                    "\x01",
                                    "\x7f",
                                    "\xff\xfe",
                                    "...",
                                    "..x",
                                    ".hidden",
                                    "~",
                                    "*",
                                    "C:",
                                    "a:b",
                                    "$HOME",
                                    "d.o/t.s/.x/..y"};
  if (refuse) {
    names.insert(names.end(), {"", "..", "../outside", "a/..", "a/../../outside", "/absolute", "//", "slash/"});
  }
  names.emplace_back("nul\0inside", 10);
  names.push_back(std::string(255, 'l'));
  names.push_back(std::string(256, 'l'));
  names.push_back(std::string(100'000, 'l'));
  std::string deep;
  for (int i = 0; i < 30; ++i) {
    deep += std::string(200, static_cast<char>('a' + i % 26)) + "/";
  }
  names.push_back(deep + "end");
  return names;
}

}  // namespace

void writes(Subject& subject, const Can&) {
  Calls calls(subject);
  unsigned salt = 0;
  // Made, and replaced by less, more and nothing.
  for (const std::uint64_t size : {std::uint64_t{100'000}, std::uint64_t{1}, kSize, std::uint64_t{0}}) {
    CAPTURE(size);
    const Bytes content = bytes_for(0, size, ++salt);
    const auto written = calls.write("some/folder/object", content);
    REQUIRE(says(written) == "ok");
    CHECK(written->size == size);
    const auto told = calls.stat("some/folder/object");
    REQUIRE(says(told) == "ok");
    CHECK(told->size == size);
    CHECK(told->validator == written->validator);
    CHECK(calls.read("some/folder/object", content, {0, kMaxOffset}, written->validator) == "ok");
  }
  // Beside it, not over it.
  CHECK(says(calls.write("some/folder/other", bytes_for(0, 7))) == "ok");
  CHECK(calls.read("some/folder/object", {}) == "ok");
}

void writes_conditionally(Subject& subject, const Can&) {
  Calls calls(subject);
  const Bytes first = bytes_for(0, 1'000, 1), second = bytes_for(0, 2'000, 2);
  const auto made = calls.write("folder/object", first, {}, true);
  REQUIRE(says(made) == "ok");
  const auto there = calls.write("folder/object", second, {}, true);
  REQUIRE(says(there) == "changed");
  CHECK_FALSE(there.error().error.context.empty());
  CHECK_FALSE(there.error().may_pass);
  CHECK(calls.read("folder/object", first) == "ok");
  if (made->validator.kind == Validator::Kind::none) {
    return;
  }
  const auto replaced = calls.write("folder/object", second, made->validator);
  REQUIRE(says(replaced) == "ok");
  CHECK(says(calls.write("folder/object", first, made->validator)) == "changed");
  CHECK(calls.read("folder/object", second) == "ok");
  CHECK(says(calls.write("absent", first, made->validator)) == "changed");
  CHECK(says(calls.stat("absent")) == "not_found");
  CHECK(says(calls.remove("folder/object")) == "ok");
  CHECK(says(calls.write("folder/object", first, replaced->validator)) == "changed");
  CHECK(says(calls.write("folder/object", first, {}, true)) == "ok");
}

void one_writer_wins(Subject& subject, const Can&) {
  constexpr std::size_t kThreads = 6;
  Calls calls(subject);
  Validator validator;
  for (int round = 0; round < 4; ++round) {
    CAPTURE(round);
    std::array<std::string, kThreads> answers;
    {
      std::barrier start(kThreads);
      std::vector<std::jthread> threads;
      for (std::size_t thread = 0; thread < kThreads; ++thread) {
        threads.emplace_back([&, thread] {
          const Bytes content = bytes_for(0, 1'000 + thread, static_cast<unsigned>(round));
          start.arrive_and_wait();
          answers[thread] = says(calls.write("folder/object", content, validator, round == 0));
        });
      }
    }
    CHECK(std::count(answers.begin(), answers.end(), "ok") == 1);
    CHECK(std::count(answers.begin(), answers.end(), "changed") == kThreads - 1);
    const auto winner = std::find(answers.begin(), answers.end(), "ok") - answers.begin();
    const Bytes content = bytes_for(0, 1'000 + static_cast<std::uint64_t>(winner), static_cast<unsigned>(round));
    CHECK(calls.read("folder/object", content) == "ok");
    validator = calls.stat("folder/object").value().validator;
    if (validator.kind == Validator::Kind::none) {
      return;
    }
    // Of another size than all that follow: a weak validator need not tell the same size at the same time apart.
    const auto between = calls.write("folder/object", bytes_for(0, 10 + static_cast<std::uint64_t>(round)));
    REQUIRE(says(between) == "ok");
    validator = between->validator;
  }
}

void removes(Subject& subject, const Can&) {
  Calls calls(subject);
  CHECK(says(calls.remove("absent")) == "ok");
  CHECK(says(calls.remove("no/such/folder/absent")) == "ok");
  const Bytes content = bytes_for(0, 3'000);
  calls.put("folder/object", content);
  calls.put("folder/other", content);
  CHECK(says(calls.remove("folder/object/below")) == "ok");
  CHECK(calls.read("folder/object", content) == "ok");
  CHECK(says(calls.remove("folder")) == "ok");  // nothing of that key
  CHECK(calls.read("folder/object", content) == "ok");
  CHECK(says(calls.remove("folder/object")) == "ok");
  CHECK(says(calls.stat("folder/object")) == "not_found");
  CHECK(calls.read("folder/object", content) == "not_found");
  CHECK_FALSE(calls.exists("folder/object").value());
  CHECK(says(calls.remove("folder/object")) == "ok");
  CHECK(calls.read("folder/other", content) == "ok");
  calls.put("folder/object", bytes_for(0, 5, 2));
  CHECK(calls.read("folder/object", bytes_for(0, 5, 2)) == "ok");
}

void odd_keys(Subject& subject, const Can& can) {
  Calls calls(subject);
  std::map<std::string, Bytes> there;  // by name
  unsigned salt = 0;
  for (const std::string& name : odd_names(can.refuse)) {
    CAPTURE(name.substr(0, 300));
    const Bytes content = bytes_for(0, 100 + salt, salt);
    ++salt;
    const std::string written = says(calls.write(name, content));
    if (written == "ok") {
      there[name] = content;
      continue;
    }
    CHECK(refusal(written));
    const std::string told = says(calls.stat(name));
    CHECK((told == "not_found" || refusal(told)));
    const std::string read = calls.read(name, content);
    CHECK((read == "not_found" || refusal(read)));
    const std::string removed = says(calls.remove(name));
    CHECK((removed == "ok" || refusal(removed)));
  }
  CHECK(there.contains("with space"));
  CHECK(there.contains("100%"));
  CHECK(there.contains("\xc3\xa4\xc3\xb6/\xe6\x97\xa5\xe6\x9c\xac"));
  for (const auto& object : there) {
    const std::string& name = object.first;  // clang 14 captures no structured binding
    CAPTURE(name.substr(0, 300));
    CHECK(calls.read(name, object.second) == "ok");
  }
  if (can.list) {
    ListRequest request;
    request.limit = 1'000;
    const auto page = calls.list(request);
    REQUIRE(says(page) == "ok");
    CHECK_FALSE(page->next);
    std::vector<std::string> expected, listed;
    for (const auto& [name, content] : there) {
      expected.push_back(calls.key(name));
    }
    for (const auto& item : page->items) {
      listed.push_back(item.key);
    }
    std::sort(expected.begin(), expected.end());
    std::sort(listed.begin(), listed.end());
    CHECK(listed == expected);
  }
  for (const auto& object : there) {
    const std::string& name = object.first;
    CAPTURE(name.substr(0, 300));
    CHECK(says(calls.remove(name)) == "ok");
    CHECK(says(calls.stat(name)) == "not_found");
  }
}

void one_name_one_key(Subject& subject, const Can& can) {
  Calls calls(subject);
  const Bytes content = bytes_for(0, 1'000);
  calls.put("a/b", content);
  for (const char* const name :
       {"a//b", "a/./b", "./a/b", "a/b/", "/a/b", "a/x/../b", "x/../a/b", "a/b/.", "a/b/../b", "a/../a/b", "A/B"}) {
    CAPTURE(name);
    CHECK(says(calls.stat(name)) != "ok");
    if (can.write) {
      const std::string written = says(calls.write(name, bytes_for(0, 5)));
      CHECK((written == "ok" || refusal(written)));
      CHECK(calls.read("a/b", content) == "ok");
      const std::string removed = says(calls.remove(name));
      CHECK((removed == "ok" || refusal(removed)));
      CHECK(calls.read("a/b", content) == "ok");
    }
  }
}

void refuses_writes(Subject& subject, const Can& can) {
  Calls calls(subject);
  calls.put("object", bytes_for(0, 10));
  CHECK_FALSE(calls.origin().name().empty());
  if (!can.write) {
    CHECK(says(calls.write("object", bytes_for(0, 5))) == "unsupported");
    CHECK(says(calls.remove("object")) == "unsupported");
  }
  if (!can.list) {
    CHECK(says(calls.list({})) == "unsupported");
  }
  CHECK(calls.read("object", bytes_for(0, 10)) == "ok");
}

}  // namespace strandline::origin::conformance
