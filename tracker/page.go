package tracker

// Page asks for a part of a list.
type Page struct {
	After string // where the page before ended; empty: from the start
	Limit int    // at most so many; 0: DefaultPage
}

// The sizes of a page.
const (
	DefaultPage = 50
	MaxPage     = 500
)

// Size returns the page's limit within its bounds.
func (p Page) Size() int {
	if p.Limit <= 0 {
		return DefaultPage
	}
	return min(p.Limit, MaxPage)
}
