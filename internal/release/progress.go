package release

// Progress hears of each step of a build that has something to do, one at a time and in
// order. internal/progress has one for people.
type Progress interface {
	// Start says that a step has begun. The returned function is called once, when the
	// step ends: with what came of it, if that is worth saying, or with the error that
	// ended it.
	Start(step string) (end func(result string, err error))
}

// Silent hears of nothing.
type Silent struct{}

// Start implements Progress.
func (Silent) Start(string) func(string, error) { return func(string, error) {} }
