package jsv

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
)

func list(items ...Node) Node { return Node{Kind: List, Items: items} }

func texts(items ...string) Node {
	n := list()
	for _, s := range items {
		n.Items = append(n.Items, String(s))
	}
	return n
}

// object makes a map of keys and values in turn; a value is a string or a node.
func object(pairs ...any) Node {
	n := Node{Kind: Map}
	for i := 0; i < len(pairs); i += 2 {
		value, ok := pairs[i+1].(Node)
		if !ok {
			value = String(pairs[i+1].(string))
		}
		n.Members = append(n.Members, Member{pairs[i].(string), value})
	}
	return n
}

// vectors go both ways. Those from ServiceStack.Text are named by the test or page that has them.
var vectors = map[string]struct {
	text  string
	value Node
}{
	"docs: ints":                      {`[1,2,3,4,5]`, texts("1", "2", "3", "4", "5")},
	"docs: object":                    {`{A:1,B:2,C:3,D:4}`, object("A", "1", "B", "2", "C", "3", "D", "4")},
	"docs: spaces":                    {`{Foo:Bar,Greet:Hello World!}`, object("Foo", "Bar", "Greet", "Hello World!")},
	"docs: comma":                     {`{Name:"Me, Junior"}`, object("Name", "Me, Junior")},
	"docs: quotes":                    {`{Size:"2"" x 1"""}`, object("Size", `2" x 1"`)},
	"Can_convert_string_List":         {`[One,Two,Three,Four,Five]`, texts("One", "Two", "Three", "Four", "Five")},
	"Empty_list":                      {`[]`, list()},
	"Empty_map":                       {`{}`, object()},
	"Null":                            {``, Node{}},
	"Empty string":                    {`""`, String("")},
	"Can_convert_string_dictionary":   {`{One:1st,Two:2nd,Three:3rd}`, object("One", "1st", "Two", "2nd", "Three", "3rd")},
	"dictionary with special chars":   {`{One:"""1st",Two:"2:nd",Three:"3r,d",Four:four%}`, object("One", `"1st`, "Two", "2:nd", "Three", "3r,d", "Four", "four%")},
	"list with special chars":         {`["""1st","2:nd","3r,d",four%]`, texts(`"1st`, "2:nd", "3r,d", "four%")},
	"nested lists":                    {`[[1,0],[0,1]]`, list(texts("1", "0"), texts("0", "1"))},
	"lists nested twice":              {`[[[1,0],[1,0]],[[0,1],[0,1]]]`, list(list(texts("1", "0"), texts("1", "0")), list(texts("0", "1"), texts("0", "1")))},
	"Can_convert_datetime":            {`1979-05-09`, String("1979-05-09")},
	"floats":                          {`{Float:1.1,Double:2.2,Decimal:3.3}`, object("Float", "1.1", "Double", "2.2", "Decimal", "3.3")},
	"floats with separators":          {`{Float:"1,111.1",Double:"2,222.2",Decimal:"3,333.3"}`, object("Float", "1,111.1", "Double", "2,222.2", "Decimal", "3,333.3")},
	"url":                             {`"https://url.com"`, String("https://url.com")},
	"guid":                            {`adfa988b01f6490db65b63750f869496`, String("adfa988b01f6490db65b63750f869496")},
	"bool":                            {`False`, String("False")},
	"date":                            {`2010-12-20`, String("2010-12-20")},
	"double":                          {`2.11`, String("2.11")},
	"AdhocModelTests: object":         {`{Obj:{Key:Value}}`, object("Obj", object("Key", "Value"))},
	"AdhocModelTests: list":           {`{Excludes:[{Key:Value},{Key:Value}]}`, object("Excludes", list(object("Key", "Value"), object("Key", "Value")))},
	"AdhocModelTests: empty":          {`{Id:1234,Name:TEST,Obj:{}}`, object("Id", "1234", "Name", "TEST", "Obj", object())},
	"DataContractTests: alias":        {`{Id:1,alias:foo}`, object("Id", "1", "alias", "foo")},
	"AdhocModelTests: case":           {`{vALUE:B}`, object("vALUE", "B")},
	"WhitespaceIssues":                {`{Number:10330,CountryKey:DE,FederalStateKey:"",City:''}`, object("Number", "10330", "CountryKey", "DE", "FederalStateKey", "", "City", "''")},
	"EnumTests":                       {`SUN`, String("SUN")},
	"request":                         {`{groupId:123,guid:adfa988b01f6490db65b63750f869496,username:joe,parameters:{tag:abc-20,url:"https://a.b/c?d=1,2"}}`, object("groupId", "123", "guid", "adfa988b01f6490db65b63750f869496", "username", "joe", "parameters", object("tag", "abc-20", "url", "https://a.b/c?d=1,2"))},
	"success":                         {`{success:True,affiliateTokensId:abc}`, object("success", "True", "affiliateTokensId", "abc")},
	"failure":                         {`{success:False,responseStatus:{errorCode:NotFound,message:"No such, guid",errors:[]}}`, object("success", "False", "responseStatus", object("errorCode", "NotFound", "message", "No such, guid", "errors", list()))},
	"empty username":                  {`{username:"",parameters:{}}`, object("username", "", "parameters", object())},
	"encoded keys":                    {`{parameters:{"a:b":c,"":x}}`, object("parameters", object("a:b", "c", "", "x"))},
	"null item":                       {`[a,,b]`, list(String("a"), Node{}, String("b"))},
	"null at the end":                 {`[a,]`, list(String("a"), Node{})},
	"spaces are data":                 {`{a: A ,b:[ x]}`, object("a", " A ", "b", texts(" x"))},
	"line breaks":                     {"{a:\"1\r\n2\"}", object("a", "1\r\n2")},
	"Unicode":                         {`{naïve:日本}`, object("naïve", "日本")},
	"quoted keys with quotes in them": {`{"a""b":c}`, object(`a"b`, "c")},
}

func TestVectors(t *testing.T) {
	for name, v := range vectors {
		if got := string(v.value.Append(nil)); got != v.text {
			t.Errorf("%s: written %s, want %s", name, got, v.text)
		}
		for mode, read := range map[string]func(string) (Node, error){"any": Parse, "compact": ParseCompact} {
			if got, err := read(v.text); err != nil || !reflect.DeepEqual(got, v.value) {
				t.Errorf("%s: %s as %s is read as %+v (%v), want %+v", name, v.text, mode, got, err, v.value)
			}
		}
	}
}

// TestRead has what is read and not written.
func TestRead(t *testing.T) {
	for text, want := range map[string]Node{
		`{One:"""1st",Two:2:nd,Three:"3r,d"}`: object("One", `"1st`, "Two", "2:nd", "Three", "3r,d"),
		`["""1st",2:nd,"3r,d",four%]`:         texts(`"1st`, "2:nd", "3r,d", "four%"),
		`[{"key":"KEY","value":"VAL"}]`:       list(object("key", "KEY", "value", "VAL")),
		`[ ]`:                                 list(),
		`{ }`:                                 object(),
		` {a:b} `:                             object("a", "b"),
		"[a]\r\n":                             texts("a"),
		`{username:,parameters:{a:b}}`:        object("username", Node{}, "parameters", object("a", "b")),
		`{a:}`:                                object("a", Node{}),
		`{a:1,a:2}`:                           object("a", "1", "a", "2"),
		`{a:x[y]z}`:                           object("a", "x[y]z"),
		`{a:x"y"z}`:                           object("a", `x"y"z`),
		`[a{b]`:                               texts("a{b"),
		`a,b`:                                 String("a,b"),
		` a `:                                 String(" a "),
	} {
		if got, err := Parse(text); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s is read as %+v (%v), want %+v", text, got, err, want)
		}
	}
}

// The form of ServiceStack's pages, with the blank space as the seed's document has it.
func TestPretty(t *testing.T) {
	want := object("groupId", "0", "guid", "String", "note", " kept ", "none", Node{}, "parameters", object("String", "String"),
		"errors", list(object("meta", object("a", "b c")), String("x")), "empty", list())
	lines := []string{"{", "\tgroupId: 0,", "\tguid: String,", "\tnote: \" kept \",", "\tnone: ,", "\tparameters: ", "\t{", "\t\tString: String", "\t},",
		"\terrors: ", "\t[", "\t\t{", "\t\t\tmeta: ", "\t\t\t{", "\t\t\t\ta: b c", "\t\t\t}", "\t\t},", "\t\tx", "\t],", "\tempty: ", "\t[", "\t]", "}", ""}
	for _, end := range []string{"\n", "\r\n"} {
		text := strings.Join(lines, end)
		if got, err := Parse(text); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("with %q it is read as %+v (%v), want %+v", end, got, err, want)
		}
		if _, err := ParseCompact(text); !errors.Is(err, ErrSyntax) {
			t.Errorf("with %q it is taken for compact: %v", end, err)
		}
	}
	if got, err := ParseCompact("{a:b}\n"); err != nil || !reflect.DeepEqual(got, object("a", "b")) {
		t.Errorf("a line feed at the end makes it %+v (%v)", got, err)
	}
}

func TestSyntaxErrors(t *testing.T) {
	for _, text := range []string{
		`{`, `[`, `"`, `"a`, `"a"b`, `"""`, `{a`, `{a:`, `{a:b`, `{a:"b`, `{a:"b}`, `{a:"b"c}`, `{a}`, `{a,b:c}`, `{:x}`, `{a:b,}`, `{{a:b}:c}`,
		`{a:b}}`, `[a]]`, `[a`, `[[a]`, `[[a]b]`, `{a:{b:c}d}`, `["a"b]`, `{a:b]`, "[\x00", "{\"a\"\x00",
	} {
		if got, err := Parse(text); !errors.Is(err, ErrSyntax) {
			t.Errorf("%q is read as %+v (%v)", text, got, err)
		}
	}
}

func TestDepth(t *testing.T) {
	nested := func(open, close string, n int) string { return strings.Repeat(open, n) + strings.Repeat(close, n) }
	for _, brackets := range [][2]string{{"[", "]"}, {"{a:", "}"}, {"{a:[", "]}"}} {
		levels := strings.Count(brackets[0], "[") + strings.Count(brackets[0], "{")
		if _, err := Parse(nested(brackets[0], brackets[1], MaxDepth/levels)); err != nil {
			t.Errorf("%s nested %d deep: %v", brackets[0], MaxDepth, err)
		}
		for _, n := range []int{MaxDepth/levels + 1, 100_000} {
			if _, err := Parse(nested(brackets[0], brackets[1], n)); !errors.Is(err, ErrDepth) {
				t.Errorf("%s %d times: %v", brackets[0], n, err)
			}
		}
	}
}

// TestTime reads texts of 1 MB that would take a reader which looks twice far longer than the bound: minutes.
func TestTime(t *testing.T) {
	fill := func(piece string) string { return strings.Repeat(piece, 1<<20/len(piece)) }
	deep := strings.Repeat("[", MaxDepth-1) + fill("a,") + strings.Repeat("]", MaxDepth-1)
	for i, text := range []string{
		fill("["), fill("{a:"), fill("{\n"), fill(`"`), fill(`"",`), fill(","), fill(" "), "[" + fill(" "), "{" + fill("a:b,") + "a:b}", "[" + fill("[],") + "]",
		"[" + fill(`"a""b",`) + "]", "{a:" + fill("[") + "}", "{\n" + fill("\t"), deep, "{a:\"" + fill(`""`) + "\"}", "[\n" + fill(" a ,"), fill("{"), fill(`{"`),
	} {
		done := make(chan string, 1)
		go func() {
			n, err := Parse(text)
			done <- fmt.Sprint(n.Kind, err)
		}()
		select {
		case <-done:
		case <-time.After(10 * time.Second):
			t.Fatalf("text %d, %.20q…, is still being read", i, text)
		}
	}
}

// withoutNulls is what is left of a value when it is written.
func withoutNulls(n Node) Node {
	if n.Kind == List {
		items := n.Items
		n.Items = nil
		for _, item := range items {
			n.Items = append(n.Items, withoutNulls(item))
		}
	}
	members := n.Members
	n.Members = nil
	for _, m := range members {
		if m.Value.Kind != Null {
			n.Members = append(n.Members, Member{m.Key, withoutNulls(m.Value)})
		}
	}
	return n
}

func FuzzParse(f *testing.F) {
	for _, v := range vectors {
		f.Add(v.text)
	}
	for _, text := range []string{"{\n\ta: b,\n\tc: \n\t[\n\t]\n}", "{\r\n}", `{__type:System.Object,a:{b:[,]}}`, strings.Repeat("[", 100), `[{"k":"v"}]`, " [ ] "} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		n, err := Parse(text)
		if err != nil {
			return
		}
		want := withoutNulls(n)
		written := string(n.Append(nil))
		if got, err := ParseCompact(written); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q is written as %q and read as %+v (%v), want %+v", text, written, got, err, want)
		}
	})
}
