package render

import "naru.dev/naru/internal/scorecard"

// words are what reports say beside the rows' own texts.
type words struct {
	Title                                    string
	Category, Item, Description              string
	Points, Weight, EKS, Result, Opinion     string
	Evidence, Seconds, Error, Commit, Took   string
	Score, Of, Chart, Legend, Difference, NA string
	Parts                                    map[scorecard.Part]string
	Status                                   map[scorecard.Status]string
}

func wordsIn(language scorecard.Language) words {
	if language == scorecard.Korean {
		return korean()
	}
	return english()
}

func english() words {
	return words{
		Title:    "Platform evaluation",
		Category: "Category", Item: "Item", Description: "Description", Points: "Points", Weight: "Weight",
		EKS: "EKS 2018", Result: "Result", Opinion: "Opinion",
		Evidence: "Evidence", Seconds: "s", Error: "Error", Commit: "commit", Took: "took",
		Score: "Score", Of: "of", Chart: "Points by category", Legend: "what Amazon EKS got in October 2018",
		Difference: "Change", NA: "–",
		Parts: map[scorecard.Part]string{scorecard.Platform: "Platform", scorecard.Application: "Application"},
		Status: map[scorecard.Status]string{
			scorecard.Measured: "measured", scorecard.Failed: "failed", scorecard.NotBuilt: "not built",
			scorecard.NeedsPlatform: "needs the platform's API", scorecard.NotRun: "not run: it is disruptive, and was not allowed",
		},
	}
}

func korean() words {
	return words{
		Title:    "플랫폼 평가",
		Category: "구분", Item: "항목", Description: "설명", Points: "배점", Weight: "가중치",
		EKS: "EKS 2018", Result: "평가결과", Opinion: "평가의견",
		Evidence: "증거", Seconds: "초", Error: "오류", Commit: "커밋", Took: "소요",
		Score: "점수", Of: "/", Chart: "구분별 점수", Legend: "2018년 10월 Amazon EKS의 점수",
		Difference: "차이", NA: "–",
		Parts: map[scorecard.Part]string{scorecard.Platform: "플랫폼", scorecard.Application: "어플리케이션"},
		Status: map[scorecard.Status]string{
			scorecard.Measured: "측정함", scorecard.Failed: "실패", scorecard.NotBuilt: "미구현",
			scorecard.NeedsPlatform: "플랫폼 API 필요", scorecard.NotRun: "실행 안 함: 장애를 일으키는 시험이며 허용되지 않았다",
		},
	}
}
