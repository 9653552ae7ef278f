#pragma once
// Text in columns of a terminal, where a Japanese letter takes two places.
#include <string>
#include <string_view>

namespace sekisho::cmd {

// Places that UTF-8 text takes: two for wide East Asian letters (UAX 11), none for combining marks. What is no UTF-8
// counts one an octet.
std::size_t places(std::string_view text);
std::string left(std::string_view text, std::size_t width);   // with blanks behind it, never cut
std::string right(std::string_view text, std::size_t width);  // with blanks before it, never cut

}  // namespace sekisho::cmd
