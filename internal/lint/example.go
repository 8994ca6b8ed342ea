package lint

import "fmt"

// before are the files that ran before the example's.
func (e Example) before() []string {
	if e.Given != nil {
		return e.Given
	}
	return shop()
}

// BadFiles are the example as files of a stream: what ran before, and what is found.
func (e Example) BadFiles() map[string]string { return e.files([]string{e.Bad}, e.Down) }

// SafeFiles are what ran before, and files in place of what is found.
func (e Example) SafeFiles(safe []string) map[string]string { return e.files(safe, e.SafeDown) }

func (e Example) files(scripts []string, down string) map[string]string {
	files := map[string]string{}
	all := append(append([]string{}, e.before()...), scripts...)
	for i, text := range all {
		files[fmt.Sprintf("%03d_example.up.sql", i+1)] = text + "\n"
		back := "-- tenantctl:irreversible an example\n"
		if i == len(all)-1 && down != "" {
			back = down + "\n"
		}
		if back != NoFile+"\n" {
			files[fmt.Sprintf("%03d_example.down.sql", i+1)] = back
		}
	}
	return files
}

// Since is the version that the example begins after.
func (e Example) Since() uint64 { return uint64(len(e.before())) }
