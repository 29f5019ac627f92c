from app.services.agent.near_duplicates import near_duplicate_groups, tokens


class TestNearDuplicateGroups:
    def test_nearly_the_same_words_are_one_group_also_by_way_of_a_third(self) -> None:
        texts = [
            "please stop these mails",
            "STOP these mails, please",
            "stop these mails now",
            "when are you open",
            "\U0001f44d",
            "",
            "",
        ]

        groups = near_duplicate_groups(texts)

        assert groups[0] == groups[1] == groups[2]
        assert len(set(groups[[0, 3, 4, 5, 6]])) == 5

    def test_signs_alone_are_words_and_case_is_none(self) -> None:
        assert tokens("OK ??? \U0001f602") == ["ok", "???", "\U0001f602"]
